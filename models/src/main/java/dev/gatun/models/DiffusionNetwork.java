package dev.gatun.models;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * A network that a sampler evaluates: it predicts the noise of noisy images, or what stands for it.
 */
public interface DiffusionNetwork extends Network {
  @Override
  DiffusionConfig config();

  /** The backend that it computes on. */
  Backend backend();

  /**
   * One evaluation. From the second one of a shape on it allocates nothing.
   *
   * @param x {@code [N, H, W, C]}, noisy images
   * @param t {@code [N]}, their times as the network was trained with them
   * @param condition what the images are to show, one row for each: I64 {@code [N]} labels, F32
   *     {@code [N, L, D]} text, or null where the network takes none; see {@link
   *     DiffusionConfig#conditioning}
   * @param workspace of the same backend, for intermediates; at its old height on return
   * @param out {@code [N, H, W, outChannels]}: the prediction in the first C channels, then what
   *     gives the variance, if anything
   */
  void forward(Tensor x, Tensor t, Tensor condition, Workspace workspace, Tensor out);
}
