package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/** A diffusion network that is told the class of each image. */
public interface ConditionalDenoiser {
  /** Channels of the prediction, as {@link Denoiser#outChannels}. */
  int outChannels();

  /**
   * Evaluates the network, as {@link Denoiser#predict}.
   *
   * @param labels I64 {@code [N]}, the class of each image or the network's null label
   */
  void predict(Tensor x, double t, Tensor labels, Tensor out);
}
