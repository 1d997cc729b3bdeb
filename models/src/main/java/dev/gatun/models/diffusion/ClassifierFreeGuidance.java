package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * "Classifier-Free Diffusion Guidance" (J. Ho, T. Salimans, 2022) as DiT and DiffiT sample with it:
 * {@code ε = ε_null + w·(ε_label - ε_null)} in the first, guided channels. The other channels of
 * the prediction, and those of the variance, are the ones for the label.
 *
 * <p>The network is evaluated once for a batch of twice the size, first with the labels, then with
 * the null label; where w = 1, once for the labels alone.
 *
 * <p>Owns a tensor of labels, so close it.
 */
public final class ClassifierFreeGuidance implements Denoiser, AutoCloseable {
  private final ConditionalDenoiser network;
  private final GuidanceScale scale;
  private final int guidedChannels;
  private final Backend backend;
  private final Workspace workspace;

  /** The labels, then as many null labels: I64 [2n]. */
  private final Tensor labels;

  /**
   * Guides a network.
   *
   * @param labels the class of each image, n of them
   * @param nullLabel what the network was trained to take for "no class"
   * @param scale w
   * @param guidedChannels how many of the first channels are guided: 3 in the scripts of DiT and
   *     DiffiT, even for latents of 4; the channels of the images for all
   * @param backend what to compute with
   * @param workspace of the same backend, for intermediates; the sampler's will do
   */
  public ClassifierFreeGuidance(
      ConditionalDenoiser network,
      long[] labels,
      long nullLabel,
      GuidanceScale scale,
      int guidedChannels,
      Backend backend,
      Workspace workspace) {
    this.network = Objects.requireNonNull(network, "network");
    this.scale = Objects.requireNonNull(scale, "scale");
    this.guidedChannels = guidedChannels;
    this.backend = backend;
    this.workspace = workspace;
    requireChannels(guidedChannels, network.outChannels());
    if (labels.length == 0) {
      throw new IllegalArgumentException("guidance: there is no label: give one for each image");
    }
    int n = labels.length;
    this.labels = backend.allocate(DType.I64, Shape.of(Math.multiplyExact(2, n)));
    try (var host = Tensor.allocate(DType.I64, this.labels.shape())) {
      for (int i = 0; i < n; i++) {
        host.setLong(i, labels[i]);
        host.setLong(n + i, nullLabel);
      }
      backend.copy(host, this.labels);
    }
  }

  @Override
  public int outChannels() {
    return network.outChannels();
  }

  @Override
  public void predict(Tensor x, double t, Tensor out) {
    Checks.operand("guidance", "x", x, backend.device(), DType.F32);
    Checks.rank("guidance", "x", x, 4);
    int n = labels.dim(0) / 2;
    if (x.dim(0) != n) {
      throw Checks.shape("guidance", "x", x, n + " images, one for each label");
    }
    double w = scale.at(t);
    if (w == 1) {
      network.predict(x, t, labels.columns(0, n), out);
      return;
    }
    int mark = workspace.mark();
    try {
      // the labelled half and the null half are evaluated on the same images
      var both = workspace.take(2 * n, x.dim(1), x.dim(2), x.dim(3));
      backend.copy(x, both.slice(0, n));
      backend.copy(x, both.slice(n, 2 * n));
      var predictions = workspace.take(2 * n, x.dim(1), x.dim(2), outChannels());
      network.predict(both, t, labels, predictions);
      guideHalves(predictions, w, guidedChannels, backend);
      backend.copy(predictions.slice(0, n), out);
    } finally {
      workspace.release(mark);
    }
  }

  /**
   * What DiT's {@code forward_with_cfg} does to the prediction of a network for a batch whose
   * halves are the same images with labels and with the null label: {@code ε = ε_null + w·(ε_label
   * - ε_null)} in the guided channels of both halves. The other channels stay as they are.
   *
   * @param predictions {@code [2n, H, W, C]}, changed in place
   * @param scale w
   * @param guidedChannels how many of the first channels are guided
   */
  public static void guideHalves(
      Tensor predictions, double scale, int guidedChannels, Backend backend) {
    Checks.operand("guideHalves", "predictions", predictions, backend.device(), DType.F32);
    Checks.rank("guideHalves", "predictions", predictions, 4);
    int rows = predictions.dim(0);
    if (rows % 2 != 0) {
      throw Checks.shape("guideHalves", "predictions", predictions, "two halves of equal size");
    }
    requireChannels(guidedChannels, predictions.dim(-1));
    var label = predictions.slice(0, rows / 2).columns(0, guidedChannels);
    var none = predictions.slice(rows / 2, rows).columns(0, guidedChannels);
    backend.combine(scale, label, 1 - scale, none, label);
    backend.copy(label, none);
  }

  private static void requireChannels(int guidedChannels, int channels) {
    if (guidedChannels < 1 || guidedChannels > channels) {
      throw new IllegalArgumentException(
          "guidance of "
              + guidedChannels
              + " channels: the network gives "
              + channels
              + ", guide 1 to "
              + channels
              + " of them");
    }
  }

  @Override
  public void close() {
    labels.close();
  }
}
