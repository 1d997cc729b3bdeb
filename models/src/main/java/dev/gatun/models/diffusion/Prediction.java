package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;

/** What a network was trained to predict of {@code x = α·x_0 + σ·ε}, with α² + σ² = 1. */
public enum Prediction {
  /** The noise ε: {@code x_0 = (x - σ·ε)/α}. */
  EPSILON,
  /** The image x_0 itself. */
  X_0,
  /**
   * The velocity {@code v = α·ε - σ·x_0} of "Progressive Distillation" (T. Salimans, J. Ho, 2022):
   * {@code x_0 = α·x - σ·v}, {@code ε = α·v + σ·x}.
   */
  V,
  /** The score {@code ∇_x log p(x) = -ε/σ}. */
  SCORE,
  /**
   * The mean of the step before, {@code μ = c0·x_0 + c1·x} with the posterior's factors; only the
   * samplers that take the steps of a {@link NoiseSchedule} can use it.
   */
  PREVIOUS_X;

  /**
   * Turns a prediction into one of the image.
   *
   * @param k the step that x is at
   * @param prediction {@code [N, H, W, C]}, what the network said of x
   * @param x {@code [N, H, W, C]}
   * @param x0 {@code [N, H, W, C]}, the result
   */
  void toX0(
      Backend backend, NoiseSchedule schedule, int k, Tensor prediction, Tensor x, Tensor x0) {
    if (this == PREVIOUS_X) {
      double ofX0 = schedule.posteriorMeanOfX0(k);
      backend.combine(1 / ofX0, prediction, -schedule.posteriorMeanOfX(k) / ofX0, x, x0);
    } else {
      double alphaBar = schedule.alphaBar(k);
      toX0(backend, Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar), prediction, x, x0);
    }
  }

  /** Turns a prediction into one of the image, at any noise level. */
  void toX0(Backend backend, double alpha, double sigma, Tensor prediction, Tensor x, Tensor x0) {
    switch (this) {
      case EPSILON -> backend.combine(1 / alpha, x, -sigma / alpha, prediction, x0);
      case X_0 -> backend.copy(prediction, x0);
      case V -> backend.combine(alpha, x, -sigma, prediction, x0);
      case SCORE -> backend.combine(1 / alpha, x, sigma * sigma / alpha, prediction, x0);
      case PREVIOUS_X -> throw stepsOnly();
    }
  }

  /** Turns a prediction into one of the noise, at any noise level. */
  void toEpsilon(
      Backend backend, double alpha, double sigma, Tensor prediction, Tensor x, Tensor epsilon) {
    switch (this) {
      case EPSILON -> backend.copy(prediction, epsilon);
      case X_0 -> backend.combine(1 / sigma, x, -alpha / sigma, prediction, epsilon);
      case V -> backend.combine(alpha, prediction, sigma, x, epsilon);
      case SCORE -> backend.combine(-sigma, prediction, 0, null, epsilon);
      case PREVIOUS_X -> throw stepsOnly();
    }
  }

  /** This prediction, if it makes sense away from the steps of a schedule. */
  Prediction requireAnyTime(String sampler) {
    if (this == PREVIOUS_X) {
      throw new IllegalArgumentException(
          sampler
              + ": the network predicts the mean of the step before, which only ddpm and ddim can"
              + " use: choose one of them");
    }
    return this;
  }

  private static IllegalStateException stepsOnly() {
    return new IllegalStateException("PREVIOUS_X has no meaning between the steps of a schedule");
  }
}
