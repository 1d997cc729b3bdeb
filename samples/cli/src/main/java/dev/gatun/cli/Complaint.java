package dev.gatun.cli;

import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.pipeline.GenerationException;
import dev.gatun.runtime.DeviceException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine.ParameterException;

/** Tells the user in one sentence what went wrong. */
record Complaint(PrintStream err) {
  /** Prints the sentence and returns the exit code. */
  int about(Throwable thrown) {
    if ("1".equals(System.getenv("GATUN_DEBUG"))) {
      thrown.printStackTrace(err);
    }
    if (isInterrupt(thrown)) {
      say("stopped");
      return Main.INTERRUPTED;
    }
    return switch (thrown) {
      case CommandException e -> {
        say(e.getMessage());
        yield e.exitCode();
      }
      case ParameterException e -> {
        say(usage(e));
        yield Main.USAGE;
      }
      case CheckpointException e -> failed(e.getMessage());
      case GenerationException e -> failed(e.getMessage());
      case FileSystemException e -> failed(e.getFile() + ": " + reason(e));
      case IOException e -> failed(e.getMessage());
      case DeviceException e -> failed(e.getMessage());
      case OutOfMemoryError e ->
          failed(
              "there is not enough memory (" + e.getMessage() + "); take a smaller batch or model");
      default -> failed("internal error: " + thrown + "; please report it");
    };
  }

  private static boolean isInterrupt(Throwable thrown) {
    return thrown instanceof InterruptedException
        || thrown instanceof ClosedByInterruptException
        || thrown.getCause() instanceof ClosedByInterruptException;
  }

  private int failed(String sentence) {
    say(sentence);
    return Main.FAILED;
  }

  private void say(String sentence) {
    var line = sentence.strip().replaceAll("\\s*[\\r\\n]+\\s*", " ");
    err.println("gatun: " + Printable.of(line));
  }

  /** What picocli says, without its capital letter, and where to read more. */
  private static String usage(ParameterException e) {
    var text = e.getMessage().replaceFirst("\\.$", "");
    var name = e.getCommandLine().getCommandName().replace("gatun ", "gatun help ");
    return Character.toLowerCase(text.charAt(0)) + text.substring(1) + "; see " + name;
  }

  private static String reason(FileSystemException e) {
    return switch (e) {
      case NoSuchFileException _ -> "there is no such file or folder";
      case AccessDeniedException _ -> "access is denied; check its permissions";
      default -> e.getReason() == null ? "cannot be read or written" : e.getReason();
    };
  }
}
