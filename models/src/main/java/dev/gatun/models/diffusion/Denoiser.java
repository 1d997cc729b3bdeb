package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;
import java.util.Objects;

/**
 * A diffusion network as a sampler sees it: everything but the noisy images and their time is
 * settled (labels, guidance).
 *
 * <p>There are two kinds, and a sampler says which it takes. A network as it was trained is told
 * its time and predicts what it was trained for. A denoiser in σ-space, such as {@link
 * PreconditionedDenoiser}, takes {@code x = x_0 + σ·n}, is told σ as its time, and gives x_0.
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

  /** The gradient that a sampler is to follow beside the prediction, or null for none. */
  default Gradient guidance() {
    return null;
  }

  /** The time nearest to a given one that the network knows: t itself, unless it knows but some. */
  default double nearest(double t) {
    return t;
  }

  /** This network, with a classifier to guide the sampler. */
  default Denoiser guidedBy(Gradient gradient) {
    Objects.requireNonNull(gradient, "gradient");
    var network = this;
    return new Denoiser() {
      @Override
      public int outChannels() {
        return network.outChannels();
      }

      @Override
      public void predict(Tensor x, double t, Tensor out) {
        network.predict(x, t, out);
      }

      @Override
      public Gradient guidance() {
        return gradient;
      }

      @Override
      public double nearest(double t) {
        return network.nearest(t);
      }
    };
  }
}
