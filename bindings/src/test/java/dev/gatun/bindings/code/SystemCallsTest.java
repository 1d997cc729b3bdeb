package dev.gatun.bindings.code;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** What Linux refuses, in its own words. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
@DisabledIfSystemProperty(named = SystemCalls.PROPERTY, matches = "false")
class SystemCallsTest {
  @Test
  void thereIsNotAsMuchMemory() {
    var calls = SystemCalls.get();
    var refused = assertThrows(CodeRefusedException.class, () -> calls.map(1L << 62));
    assertEquals(
        "assembled code cannot be used, because Linux gives no memory for it (mmap of "
            + (1L << 62)
            + " bytes: Cannot allocate memory): raise the limits of this process (ulimit -v,"
            + " vm.max_map_count)",
        refused.getMessage());
  }

  @Test
  void whatIsNotMappedCannotBeExecuted() {
    var calls = SystemCalls.get();
    var refused = assertThrows(CodeRefusedException.class, () -> calls.makeExecutable(1, 4096));
    assertEquals(
        "assembled code cannot be used, because Linux does not let memory be executed (mprotect:"
            + " Invalid argument): allow it in the policy of this system (SELinux calls it"
            + " execmem)",
        refused.getMessage());
  }

  @Test
  void theAnswerAboutTilesStays() {
    assertEquals(SystemCalls.requestTiles(), SystemCalls.requestTiles());
  }
}
