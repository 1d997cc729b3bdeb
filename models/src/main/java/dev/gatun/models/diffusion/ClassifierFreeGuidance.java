package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * "Classifier-Free Diffusion Guidance" (J. Ho, T. Salimans, 2022): {@code ε = ε_null + w·(ε_cond -
 * ε_null)} in the first, guided channels, whatever ε the network predicts. The other channels of
 * the prediction, and those of the variance, are the ones for the condition.
 *
 * <p>A condition is the classes of the images or their texts. The network is evaluated once for a
 * batch of twice the size, first with the condition, then with the null condition; where w = 1,
 * once for the condition alone.
 *
 * <p>Owns a tensor of conditions, so close it.
 */
public final class ClassifierFreeGuidance implements Denoiser, AutoCloseable {
  private final ConditionalDenoiser network;
  private final GuidanceScale scale;
  private final int guidedChannels;
  private final Backend backend;
  private final Workspace workspace;

  /** What the images are to show, then as many null conditions: {@code [2n, ...]}. */
  private final Tensor conditions;

  /**
   * Guides a network that is told classes.
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
    this(network, scale, guidedChannels, backend, workspace, DType.I64, Shape.of(labels.length));
    try (var host = Tensor.of(Shape.of(labels.length), labels);
        var none = Tensor.of(Shape.of(1), nullLabel)) {
      fill(host, none);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /**
   * Guides a network that is told classes or texts.
   *
   * @param condition what each image is to show: I64 {@code [n]} or F32 {@code [n, L, D]}, on any
   *     device; copied
   * @param nullCondition what the network was trained to take for "nothing": {@code [1]} or {@code
   *     [1, L, D]} for all images, or as many as there are
   * @param scale w
   * @param guidedChannels how many of the first channels are guided
   * @param backend what to compute with
   * @param workspace of the same backend, for intermediates; the sampler's will do
   */
  public ClassifierFreeGuidance(
      ConditionalDenoiser network,
      Tensor condition,
      Tensor nullCondition,
      GuidanceScale scale,
      int guidedChannels,
      Backend backend,
      Workspace workspace) {
    this(network, scale, guidedChannels, backend, workspace, condition.dtype(), condition.shape());
    try {
      fill(condition, nullCondition);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private ClassifierFreeGuidance(
      ConditionalDenoiser network,
      GuidanceScale scale,
      int guidedChannels,
      Backend backend,
      Workspace workspace,
      DType dtype,
      Shape condition) {
    this.network = Objects.requireNonNull(network, "network");
    this.scale = Objects.requireNonNull(scale, "scale");
    this.guidedChannels = guidedChannels;
    this.backend = backend;
    this.workspace = workspace;
    requireChannels(guidedChannels, network.outChannels());
    if (condition.size() == 0) {
      throw new IllegalArgumentException(
          "guidance: there is no condition: give a label or a text for each image");
    }
    int[] dims = condition.dims();
    dims[0] = Math.multiplyExact(2, dims[0]);
    conditions = backend.allocate(dtype, Shape.of(dims));
  }

  private void fill(Tensor condition, Tensor none) {
    int n = condition.dim(0);
    int[] expected = condition.shape().dims();
    expected[0] = none.dim(0);
    if (none.dtype() != condition.dtype()
        || !none.shape().equals(Shape.of(expected))
        || (none.dim(0) != n && none.dim(0) != 1)) {
      throw Checks.shape(
          "guidance", "nullCondition", none, "one or " + n + " of what the condition has");
    }
    backend.copy(condition, entries(conditions, 0, n));
    for (int i = 0; i < n; i++) {
      int from = none.dim(0) == 1 ? 0 : i;
      backend.copy(entries(none, from, from + 1), entries(conditions, n + i, n + i + 1));
    }
  }

  /** A view of some entries of the first axis, which may be the only one. */
  private static Tensor entries(Tensor tensor, int from, int to) {
    return tensor.shape().rank() == 1 ? tensor.columns(from, to) : tensor.slice(from, to);
  }

  @Override
  public int outChannels() {
    return network.outChannels();
  }

  @Override
  public void predict(Tensor x, double t, Tensor out) {
    Checks.operand("guidance", "x", x, backend.device(), DType.F32);
    Checks.rank("guidance", "x", x, 4);
    int n = conditions.dim(0) / 2;
    if (x.dim(0) != n) {
      throw Checks.shape("guidance", "x", x, n + " images, one for each condition");
    }
    double w = scale.at(t);
    if (w == 1) {
      network.predict(x, t, entries(conditions, 0, n), out);
      return;
    }
    int mark = workspace.mark();
    try {
      // the half with the condition and the null half are evaluated on the same images
      var both = workspace.take(2 * n, x.dim(1), x.dim(2), x.dim(3));
      backend.copy(x, both.slice(0, n));
      backend.copy(x, both.slice(n, 2 * n));
      var predictions = workspace.take(2 * n, x.dim(1), x.dim(2), outChannels());
      network.predict(both, t, conditions, predictions);
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
    conditions.close();
  }
}
