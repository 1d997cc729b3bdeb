package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;

/** What a network was trained to predict. */
public enum Prediction {
  /** The noise: {@code x_0 = √(1/ᾱ)·x - √(1/ᾱ - 1)·ε}. */
  EPSILON,
  /** The image itself. */
  X_0;

  /**
   * Turns a prediction into one of the image.
   *
   * @param prediction {@code [N, H, W, C]}, what the network said of x
   * @param x {@code [N, H, W, C]} at noise level ᾱ
   * @param x0 {@code [N, H, W, C]}, the result
   */
  void toX0(Backend backend, double alphaBar, Tensor prediction, Tensor x, Tensor x0) {
    switch (this) {
      case EPSILON ->
          backend.combine(Math.sqrt(1 / alphaBar), x, -Math.sqrt(1 / alphaBar - 1), prediction, x0);
      case X_0 -> backend.copy(prediction, x0);
    }
  }
}
