package dev.gatun.models.pipeline;

/** A picture could not be made although the request was right; the message says why. */
public final class GenerationException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public GenerationException(String message) {
    super(message);
  }
}
