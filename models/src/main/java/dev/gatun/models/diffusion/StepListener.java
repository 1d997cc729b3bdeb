package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/** Is told of a sampler's progress, on the sampler's thread. */
@FunctionalInterface
public interface StepListener {
  /**
   * A step is done.
   *
   * @param done how many steps are done, from 1
   * @param steps how many there are
   * @param x0 the images as predicted in this step, {@code [N, H, W, C]}; valid during the call
   *     only, and not to be written
   */
  void step(int done, int steps, Tensor x0);
}
