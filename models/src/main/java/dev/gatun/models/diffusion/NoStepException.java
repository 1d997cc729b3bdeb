package dev.gatun.models.diffusion;

/** An adaptive sampler finds no step short enough: what the network gives are no numbers. */
public final class NoStepException extends ArithmeticException {
  private static final long serialVersionUID = 1;

  NoStepException(String message) {
    super(message);
  }
}
