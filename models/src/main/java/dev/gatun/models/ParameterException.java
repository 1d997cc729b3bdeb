package dev.gatun.models;

/**
 * A tensor of a state dict is missing, left over, unreadable, or has another shape than described.
 */
public final class ParameterException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public ParameterException(String message) {
    super(message);
  }

  public ParameterException(String message, Throwable cause) {
    super(message, cause);
  }
}
