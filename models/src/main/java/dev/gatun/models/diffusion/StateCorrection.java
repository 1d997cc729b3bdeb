package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/** Changes the images between the steps of a {@link DpmSolver}: {@code correcting_xt_fn} there. */
@FunctionalInterface
public interface StateCorrection {
  /**
   * Changes the images in place, after a step.
   *
   * @param x {@code [N, H, W, C]}
   * @param t the time they are at now, on the solver's curve
   * @param step the step that led there, from 1
   */
  void correct(Tensor x, double t, int step);
}
