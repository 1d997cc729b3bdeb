package dev.gatun.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;

/**
 * One line of a terminal that is drawn again and again: {@code [######----] 31/50, 4 s left}.
 *
 * <p>Where standard error is no terminal it prints nothing.
 */
final class ProgressBar implements AutoCloseable {
  private static final int WIDTH = 40;
  private static final long REDRAW_NANOS = 100_000_000;

  private final PrintStream out;
  private final boolean visible;
  private long firstStep;
  private long lastStep;
  private long drawn;
  private int length;
  private int total;

  ProgressBar(PrintStream out, boolean visible) {
    this.out = out;
    this.visible = visible;
  }

  /**
   * Whether a descriptor of this process is a terminal. Java can tell this of standard input and
   * output only, so the name of what the descriptor stands for is asked where the system gives it.
   */
  static boolean isTerminal(String descriptor) {
    try {
      var real = Path.of(descriptor).toRealPath().toString();
      if (real.startsWith("/dev/pts/") || real.startsWith("/dev/tty")) {
        return true;
      }
      if (!real.startsWith("/dev/fd/")) {
        return false;
      }
    } catch (IOException | RuntimeException e) {
      // a pipe has no name on Linux; elsewhere there may be no such folder
      if (System.getProperty("os.name").equals("Linux")) {
        return false;
      }
    }
    var console = System.console();
    return console != null && console.isTerminal();
  }

  /** Shows that some steps are done. */
  void step(int done, int total) {
    this.total = total;
    long now = System.nanoTime();
    lastStep = now;
    if (!visible) {
      return;
    }
    if (done == 1) {
      firstStep = now;
    }
    if (done > 1 && done < total && now - drawn < REDRAW_NANOS) {
      return;
    }
    drawn = now;
    int filled = (int) ((long) done * WIDTH / total);
    var line = new StringBuilder("\r[");
    line.repeat('#', filled).repeat('-', WIDTH - filled);
    line.append("] ").append(done).append('/').append(total);
    if (done > 1) {
      // the first step is slow: the JIT compiler is still at work
      double seconds = (now - firstStep) / 1e9 / (done - 1) * (total - done);
      line.append(", ").append(duration(Math.round(seconds))).append(" left");
    }
    int shown = line.length();
    line.repeat(' ', Math.max(0, length - shown)); // over the rest of a longer line
    length = shown;
    out.print(line);
    out.flush();
  }

  /** When the last step that is done was done, in the nanoseconds of the JVM. */
  long lastStep() {
    return lastStep;
  }

  /** How many steps there are; known after the first. */
  int total() {
    return total;
  }

  private static String duration(long seconds) {
    if (seconds < 60) {
      return seconds + " s";
    }
    long minutes = seconds / 60;
    return minutes < 60
        ? minutes + " min " + seconds % 60 + " s"
        : minutes / 60 + " h " + minutes % 60 + " min";
  }

  /** Removes the line. */
  @Override
  public void close() {
    if (length > 0) {
      out.print("\r" + " ".repeat(length) + "\r");
      out.flush();
    }
  }
}
