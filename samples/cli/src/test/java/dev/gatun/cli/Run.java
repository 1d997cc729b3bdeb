package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.json.Json;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** What a command printed, and its exit code. */
record Run(int exitCode, String out, String err) {
  static Run of(String... arguments) {
    var out = new ByteArrayOutputStream();
    var err = new ByteArrayOutputStream();
    int code =
        Main.run(
            arguments,
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    return new Run(
        code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  /** The command did its work and had nothing to complain of. */
  void requireDone() {
    assertEquals("", err);
    assertEquals(Main.DONE, exitCode);
  }

  /** The only thing printed is one sentence that says this. */
  void requireOneSentence(String said) {
    assertEquals("", out);
    assertEquals(1, err.lines().count(), err);
    assertTrue(err.startsWith("gatun: "), err);
    assertTrue(err.contains(said.strip()), err);
    assertFalse(err.contains("Exception"), err);
  }

  /** The one object that was printed. */
  Json.JsonObject json() {
    requireDone();
    assertEquals(1, out.lines().count(), out);
    return (Json.JsonObject) Json.parse(out);
  }
}
