package dev.gatun.cli;

import java.text.MessageFormat;
import java.util.ResourceBundle;

/**
 * Sends what the library logs to standard error, one plain line a message. It stands in for {@code
 * java.logging}, which would print two lines and takes longer to start than most commands run.
 */
public final class PlainLoggerFinder extends System.LoggerFinder {
  @Override
  public System.Logger getLogger(String name, Module module) {
    return new PlainLogger(name);
  }

  private record PlainLogger(String name) implements System.Logger {
    @Override
    public String getName() {
      return name;
    }

    @Override
    public boolean isLoggable(Level level) {
      return level.compareTo(Level.INFO) >= 0 && level != Level.OFF;
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
      if (isLoggable(level)) {
        print(message + (thrown == null ? "" : ": " + thrown));
      }
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String format, Object... parameters) {
      if (isLoggable(level)) {
        boolean plain = parameters == null || parameters.length == 0;
        print(plain ? format : MessageFormat.format(format, parameters));
      }
    }

    private static void print(String line) {
      System.err.println("gatun: " + Printable.of(line));
    }
  }
}
