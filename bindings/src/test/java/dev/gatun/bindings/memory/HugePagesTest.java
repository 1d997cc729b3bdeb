package dev.gatun.bindings.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class HugePagesTest {
  private static final long BYTES = (5L << 20) + 24;

  @Test
  void theyAreZerosThatCanBeWritten() {
    try (var arena = Arena.ofShared()) {
      var memory = HugePages.allocate(BYTES, arena);
      assumeTrue(memory != null, "huge pages were not tested: this system gives none");
      assertEquals(BYTES, memory.byteSize());
      for (long i = 0; i < BYTES; i += 8) {
        assertEquals(0, memory.get(ValueLayout.JAVA_LONG, i));
        memory.set(ValueLayout.JAVA_LONG, i, i);
      }
    }
  }

  @Test
  void whatIsSmallStaysInSmallPages() {
    try (var arena = Arena.ofShared()) {
      assertNull(HugePages.allocate(1 << 20, arena));
    }
  }

  /** The memory goes back with the arena: the address space does not grow. */
  @Test
  void theyEndWithTheArena() throws IOException {
    try (var arena = Arena.ofShared()) {
      assumeTrue(HugePages.allocate(BYTES, arena) != null, "this system gives no huge pages");
    }
    long before = mapped();
    for (int i = 0; i < 1000; i++) {
      try (var arena = Arena.ofShared()) {
        assertFalse(HugePages.allocate(BYTES, arena) == null);
      }
    }
    long grown = mapped() - before;
    assertTrue(grown < 100 * BYTES, () -> "grown by " + grown + " bytes");
  }

  private static long mapped() throws IOException {
    var status = Files.readString(Path.of("/proc/self/status"));
    var line = status.lines().filter(l -> l.startsWith("VmSize:")).findFirst().orElseThrow();
    return Long.parseLong(line.replaceAll("\\D", "")) << 10;
  }
}
