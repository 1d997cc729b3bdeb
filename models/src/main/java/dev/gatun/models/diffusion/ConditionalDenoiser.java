package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/** A diffusion network that is told what each image is to show. */
public interface ConditionalDenoiser {
  /** Channels of the prediction, as {@link Denoiser#outChannels}. */
  int outChannels();

  /**
   * Evaluates the network, as {@link Denoiser#predict}.
   *
   * @param condition the class of each image or the network's null label, I64 {@code [N]}; or text,
   *     F32 {@code [N, L, D]}; or null for a network that is told nothing
   */
  void predict(Tensor x, double t, Tensor condition, Tensor out);

  /** This network with a settled condition, unguided. */
  default Denoiser given(Tensor condition) {
    var network = this;
    return new Denoiser() {
      @Override
      public int outChannels() {
        return network.outChannels();
      }

      @Override
      public void predict(Tensor x, double t, Tensor out) {
        network.predict(x, t, condition, out);
      }
    };
  }
}
