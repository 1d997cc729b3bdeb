package dev.gatun.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;

/** The terminal that the launcher was started on. */
final class Terminal {
  private Terminal() {}

  /**
   * Makes {@code System.err} the standard error that the launcher was given. The launcher filters
   * what the JVM itself says there (a warning for every program that uses the Vector API), and
   * hands the real one over as the descriptor that {@code -Dgatun.stderr=/dev/fd/N} names.
   *
   * <p>The descriptor itself is used. To open its path would make a second position in a file that
   * is written through the first one as well, by {@code System.out} or by the shell, and each would
   * overwrite the other; and the path of a socket cannot be opened at all. No public API wraps a
   * descriptor, so the launcher opens {@code java.io} to this module; where it is not open, {@code
   * System.err} stays as it is, behind the filter.
   */
  static void restoreStandardError() {
    var path = System.getProperty("gatun.stderr");
    if (path == null) {
      return;
    }
    try {
      var wrap = FileDescriptor.class.getDeclaredConstructor(int.class);
      wrap.setAccessible(true);
      var descriptor = wrap.newInstance(Integer.parseInt(path.replaceFirst("^/dev/fd/", "")));
      var stream = new FileOutputStream(descriptor);
      System.setErr(new PrintStream(stream, true, System.err.charset()));
    } catch (ReflectiveOperationException | RuntimeException e) {
      // Everything still arrives, a little later and not known to be a terminal.
    }
  }
}
