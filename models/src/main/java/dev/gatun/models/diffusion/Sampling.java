package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * A sampler that fits a network, and how the network must be shown to it.
 *
 * @param sampler the sampler
 * @param preconditioning what brings the network to σ-space; null if the sampler takes it as it is
 * @param correction of the image that a denoiser in σ-space predicts; the others correct it
 *     themselves
 */
public record Sampling(Sampler sampler, Preconditioning preconditioning, X0Correction correction) {
  public Sampling {
    Objects.requireNonNull(sampler, "sampler");
    Objects.requireNonNull(correction, "correction");
  }

  /**
   * The network as {@link #sampler} takes it.
   *
   * @param network as it was trained, guided or not
   * @param channels of the images
   * @param backend what to compute with
   * @param workspace of the same backend, for intermediates; the sampler's will do
   */
  public Denoiser denoiser(Denoiser network, int channels, Backend backend, Workspace workspace) {
    return preconditioning == null
        ? network
        : new PreconditionedDenoiser(
            network, preconditioning, correction, channels, backend, workspace);
  }
}
