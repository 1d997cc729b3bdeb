package dev.gatun.bindings.code;

/**
 * Machine code cannot be called here: the system is another one, or denies it. The message is one
 * sentence with the fact and the cure.
 */
public final class CodeRefusedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  CodeRefusedException(String fact, String cure, Throwable cause) {
    super("assembled code cannot be used, because " + fact + ": " + cure, cause);
  }
}
