package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/**
 * A diffusion network as a sampler sees it: everything but the noisy images and their time is
 * settled (labels, guidance).
 */
public interface Denoiser {
  /** Channels of the prediction: those of the images, or twice as many with a variance. */
  int outChannels();

  /**
   * Evaluates the network.
   *
   * @param x noisy images {@code [N, H, W, C]}
   * @param t their time as the network was trained with it: for a discrete schedule the original
   *     timestep, respaced or not
   * @param out {@code [N, H, W, outChannels]}: the prediction in the first C channels, then what
   *     gives the variance, if anything
   */
  void predict(Tensor x, double t, Tensor out);
}
