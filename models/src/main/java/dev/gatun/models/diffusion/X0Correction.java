package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;
import java.util.Objects;

/** What is done to the predicted image before a sampler uses it. */
public sealed interface X0Correction {
  /** Nothing: for latents. */
  record None() implements X0Correction {}

  /**
   * Clamped to {@code -limit … limit}: for pixels, which lie in -1 … 1.
   *
   * @param limit above 0
   */
  record Clamp(double limit) implements X0Correction {
    public Clamp {
      requirePositive("clamp", limit);
    }
  }

  /**
   * Dynamic thresholding of "Photorealistic Text-to-Image Diffusion Models" (C. Saharia and others,
   * 2022): each image is clamped to {@code -S … S} and divided by S, where S is the given quantile
   * of |x_0| over all its elements, but at least {@code least}. For pixels only.
   *
   * @param quantile in 0 … 1, interpolated linearly between elements; 0.995 in the paper
   * @param least the smallest S; 1 for pictures in -1 … 1, which are then only ever shrunk
   */
  record DynamicThresholding(double quantile, double least) implements X0Correction {
    public DynamicThresholding {
      if (!(quantile >= 0 && quantile <= 1)) {
        throw new IllegalArgumentException(
            "dynamic thresholding: the quantile is " + quantile + ": give a number from 0 to 1");
      }
      requirePositive("dynamic thresholding", least);
    }
  }

  /** A function of the caller's, {@code denoised_fn} in guided-diffusion. */
  @FunctionalInterface
  non-sealed interface Custom extends X0Correction {
    /**
     * Changes the predicted images in place.
     *
     * @param x0 {@code [N, H, W, C]}
     * @param t the time of the images that they were predicted from, as the network is told it
     */
    void correct(Tensor x0, double t);
  }

  /** One after the other. */
  record Both(X0Correction first, X0Correction then) implements X0Correction {
    public Both {
      Objects.requireNonNull(first, "first");
      Objects.requireNonNull(then, "then");
    }
  }

  /** Nothing. */
  static X0Correction none() {
    return new None();
  }

  /** {@link Clamp} to {@code -1 … 1}, or nothing. */
  static X0Correction clip(boolean on) {
    return on ? new Clamp(1) : new None();
  }

  private static void requirePositive(String what, double limit) {
    if (!(limit > 0)) {
      throw new IllegalArgumentException(
          what + ": the limit is " + limit + ": give a number above 0");
    }
  }
}
