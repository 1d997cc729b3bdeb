package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;

/**
 * The kernels of {@code norm.cu}: layer and group normalisation, and the gradient of the latter.
 * The arguments have been checked; nothing is allocated.
 */
final class NormKernels {
  private static final String SOURCE = "norm";
  private static final int THREADS = 256;
  private static final int GROUP_THREADS = 128;

  /** The logarithm of the channels of a block that sums over positions. */
  private static final int SHIFT = 5;

  /** Positions that a thread sums. */
  private static final int POSITIONS = 16;

  /** Numbers that are kept of a group: a mean in two parts, and a factor. */
  private static final int MOMENTS = 3;

  /** Numbers that are kept of a group's gradient. */
  private static final int MEANS = 2;

  private final Launcher launcher;
  private final Scratch scratch;
  private final Kernel layerNorm;
  private final Kernel channelMoments;
  private final Kernel groupMoments;
  private final Kernel groupNorm;
  private final Kernel channelSlopes;
  private final Kernel groupSlopes;
  private final Kernel groupNormGradient;

  // The extents of the group normalisation that is running, and its places in scratch memory.
  private int samples;
  private int cols;
  private long positions;
  private int shift;
  private int chunk;
  private int chunks;
  private long sums;
  private long moments;
  private long means;

  NormKernels(Kernels kernels, Launcher launcher, Scratch scratch) {
    this.launcher = launcher;
    this.scratch = scratch;
    layerNorm = kernels.get(SOURCE, "layerNorm");
    channelMoments = kernels.get(SOURCE, "channelMoments");
    groupMoments = kernels.get(SOURCE, "groupMoments");
    groupNorm = kernels.get(SOURCE, "groupNorm");
    channelSlopes = kernels.get(SOURCE, "channelSlopes");
    groupSlopes = kernels.get(SOURCE, "groupSlopes");
    groupNormGradient = kernels.get(SOURCE, "groupNormGradient");
  }

  /**
   * {@code y = (x - μ)/√(σ² + eps)·gamma + beta}, {@code out = y·(1 + scale) + shift}.
   *
   * @param x {@code [rows, C]}; may be out
   * @param gamma {@code [C]}, or null together with beta
   * @param shift {@code [N, C]}, or null together with scale
   */
  void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    long rows = out.shape().rows();
    int columns = out.shape().cols();
    if (columns == 0) {
      return;
    }
    long rowsPerSample = scale == null ? 1 : rows / Math.max(1, scale.shape().rows());
    launcher
        .of(layerNorm)
        .tensor(x)
        .pointer(gamma)
        .pointer(beta)
        .tensor(shift)
        .tensor(scale)
        .value(rowsPerSample)
        .value(eps)
        .tensor(out)
        .value(rows)
        .value(columns)
        .launch(rows, threads(columns));
  }

  /** A warp for a short row; a block of more where each of its threads has some columns. */
  private static int threads(int columns) {
    if (columns <= 256) {
      return 32;
    }
    return columns <= 2048 ? 128 : 256;
  }

  /**
   * {@code out = activation(((x - μ)/√(σ² + eps)·gamma + beta)·(1 + scale) + shift)}.
   *
   * @param x {@code [N, …, C]}; may be out
   * @param shift {@code [N, C]}, or null together with scale
   */
  void groupNorm(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor out) {
    if (x.shape().size() == 0) {
      return;
    }
    moments(x, groups, eps);
    launcher.of(groupNorm).tensor(x).value(positions).value(groups).value(moments);
    affine(gamma, beta, shift, scale, activation);
    launcher.tensor(out);
    Elementwise.launch(launcher, x.shape().rows(), cols);
  }

  /**
   * {@code dx = (g - mean(g) - x̂·mean(g·x̂))/√(σ² + eps)} with g the gradient of x̂.
   *
   * @param dy {@code [N, …, C]}; may be dx
   */
  void groupNormGradient(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor dy,
      Tensor dx) {
    if (x.shape().size() == 0) {
      return;
    }
    moments(x, groups, eps);
    launcher.of(channelSlopes).tensor(x).value(positions).value(groups).value(moments);
    affine(gamma, beta, shift, scale, activation);
    launcher
        .tensor(dy)
        .value(chunk)
        .value(chunks)
        .value(sums)
        .value(cols)
        .value(this.shift)
        .launch((long) samples * chunks, Math.ceilDiv(cols, 1 << this.shift), 1, THREADS);
    launcher
        .of(groupSlopes)
        .value(sums)
        .value(positions)
        .value(chunks)
        .value(cols)
        .value(groups)
        .value(means)
        .launch((long) samples * groups, GROUP_THREADS);
    launcher
        .of(groupNormGradient)
        .tensor(x)
        .value(positions)
        .value(groups)
        .value(moments)
        .value(means);
    affine(gamma, beta, shift, scale, activation);
    launcher.tensor(dy).tensor(dx);
    Elementwise.launch(launcher, x.shape().rows(), cols);
  }

  /**
   * Means and deviations of the groups. How the positions are divided depends on the extents of a
   * sample alone, so that its bits do not depend on the batch.
   */
  private void moments(Tensor x, int groups, float eps) {
    samples = x.dim(0);
    cols = x.shape().cols();
    positions = x.shape().rows() / samples;
    shift = Elementwise.shift(cols, SHIFT);
    chunk = (THREADS >> shift) * POSITIONS;
    chunks = Math.toIntExact(Math.ceilDiv(positions, chunk));
    long parts = (long) samples * chunks * cols * 2 * Double.BYTES;
    long ofGroups = (long) samples * groups * Float.BYTES;
    sums = scratch.address(parts + (MOMENTS + MEANS) * ofGroups);
    moments = sums + parts;
    means = moments + MOMENTS * ofGroups;
    launcher
        .of(channelMoments)
        .tensor(x)
        .value(positions)
        .value(chunk)
        .value(chunks)
        .value(sums)
        .value(cols)
        .value(shift)
        .launch((long) samples * chunks, Math.ceilDiv(cols, 1 << shift), 1, THREADS);
    launcher
        .of(groupMoments)
        .value(sums)
        .value(positions)
        .value(chunk)
        .value(chunks)
        .value(cols)
        .value(groups)
        .value(eps)
        .value(moments)
        .launch((long) samples * groups, GROUP_THREADS);
  }

  private void affine(
      Tensor gamma, Tensor beta, Tensor shift, Tensor scale, Activation activation) {
    launcher.pointer(gamma).pointer(beta).tensor(shift).tensor(scale).value(activation.ordinal());
  }
}
