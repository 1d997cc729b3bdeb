package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * A network as a denoiser in σ-space, for the samplers of EDM and k-diffusion: {@code D(x; σ) =
 * c_skip·x + c_out·F(c_in·x; c_noise)}.
 *
 * <p>A variance that the network predicts is left unread. A classifier that guides the network sees
 * what it sees, and moves the predicted image: {@code D + σ²·c_in·g(c_in·x; c_noise)}, which is
 * {@code ε - σ_t·g} in the other samplers' terms. Then the image is corrected.
 */
public final class PreconditionedDenoiser implements Denoiser {
  private final Denoiser network;
  private final Preconditioning preconditioning;
  private final X0Correction correction;
  private final int channels;
  private final Backend backend;
  private final Workspace workspace;

  /** Made for the shape of images that were seen last. */
  private X0Corrector corrector;

  private Tensor correctedLast;

  /**
   * Wraps a network.
   *
   * @param channels of the images
   * @param backend what to compute with
   * @param workspace of the same backend, for intermediates; the sampler's will do
   */
  public PreconditionedDenoiser(
      Denoiser network,
      Preconditioning preconditioning,
      X0Correction correction,
      int channels,
      Backend backend,
      Workspace workspace) {
    this.network = Objects.requireNonNull(network, "network");
    this.preconditioning = Objects.requireNonNull(preconditioning, "preconditioning");
    this.correction = Objects.requireNonNull(correction, "correction");
    this.channels = channels;
    this.backend = backend;
    this.workspace = workspace;
    if (network.outChannels() != channels && network.outChannels() != 2 * channels) {
      throw new IllegalArgumentException(
          "the network gives "
              + network.outChannels()
              + " channels for images of "
              + channels
              + ", expected as many, or twice as many with a variance");
    }
  }

  @Override
  public int outChannels() {
    return channels;
  }

  @Override
  public double nearest(double sigma) {
    return preconditioning.nearest(sigma);
  }

  /**
   * The images in noisy ones.
   *
   * @param x {@code x_0 + σ·n}, {@code [N, H, W, C]}
   * @param sigma σ, above 0
   * @param out {@code [N, H, W, C]}; not x
   */
  @Override
  public void predict(Tensor x, double sigma, Tensor out) {
    double in = preconditioning.in(sigma);
    double time = preconditioning.noise(sigma);
    int mark = workspace.mark();
    try {
      var seen = workspace.take(x.dim(0), x.dim(1), x.dim(2), channels);
      var said = workspace.take(x.dim(0), x.dim(1), x.dim(2), network.outChannels());
      backend.combine(in, x, 0, null, seen);
      network.predict(seen, time, said);
      backend.combine(
          preconditioning.skip(sigma),
          x,
          preconditioning.out(sigma),
          said.columns(0, channels),
          out);
      var guidance = network.guidance();
      if (guidance != null) {
        var g = said.columns(0, channels);
        guidance.at(seen, time, g); // what was said is used up
        backend.combine(1, out, sigma * sigma * in, g, out);
      }
    } finally {
      workspace.release(mark);
    }
    corrector(out).apply(out, time);
  }

  private X0Corrector corrector(Tensor images) {
    if (correctedLast == null || !correctedLast.shape().equals(images.shape())) {
      corrector = new X0Corrector(correction, images, backend);
      correctedLast = images;
    }
    return corrector;
  }
}
