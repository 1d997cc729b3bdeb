package dev.gatun.cli;

/** Ends a command with an exit code and one sentence for the user. */
final class CommandException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int exitCode;

  private CommandException(int exitCode, String sentence) {
    super(sentence);
    this.exitCode = exitCode;
  }

  /** The arguments ask for something that there is not. */
  static CommandException usage(String sentence) {
    return new CommandException(Main.USAGE, sentence);
  }

  /** The arguments are right, yet the work cannot be done. */
  static CommandException failure(String sentence) {
    return new CommandException(Main.FAILED, sentence);
  }

  int exitCode() {
    return exitCode;
  }
}
