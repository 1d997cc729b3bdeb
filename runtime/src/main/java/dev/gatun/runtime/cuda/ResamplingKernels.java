package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Tensor;

/**
 * The kernels of {@code resampling.cu}: operators that change the positions of a map, or average
 * over them. The arguments have been checked; nothing is allocated.
 */
final class ResamplingKernels {
  private static final String SOURCE = "resampling";
  private static final int THREADS = 256;

  /** The logarithm of the channels of a block. */
  private static final int SHIFT = 5;

  /** Positions that one block sums: the same for any batch, and so are the bits. */
  private static final int CHUNK = 1024;

  private final Launcher launcher;
  private final Scratch scratch;
  private final Kernel upsampleNearest;
  private final Kernel averagePool;
  private final Kernel resizeBilinear;
  private final Kernel sumPositions;
  private final Kernel meanOfSums;

  ResamplingKernels(Kernels kernels, Launcher launcher, Scratch scratch) {
    this.launcher = launcher;
    this.scratch = scratch;
    upsampleNearest = kernels.get(SOURCE, "upsampleNearest");
    averagePool = kernels.get(SOURCE, "averagePool");
    resizeBilinear = kernels.get(SOURCE, "resizeBilinear");
    sumPositions = kernels.get(SOURCE, "sumPositions");
    meanOfSums = kernels.get(SOURCE, "meanOfSums");
  }

  /** {@code out[n, 2i+a, 2j+b] = x[n, i, j]}. */
  void upsampleNearest(Tensor x, Tensor out) {
    launcher.of(upsampleNearest).tensor(x).tensor(out);
    launch(out);
  }

  /** {@code out[n, i, j]} is the mean of the 2×2 block {@code x[n, 2i…, 2j…]}. */
  void averagePool(Tensor x, Tensor out) {
    launcher.of(averagePool).tensor(x).tensor(out);
    launch(out);
  }

  /** Bilinear interpolation from {@code [N, H, W, C]} to {@code [N, H', W', C]}. */
  void resizeBilinear(Tensor x, Tensor out) {
    launcher.of(resizeBilinear).tensor(x).value(x.dim(1)).value(x.dim(2)).tensor(out);
    launch(out);
  }

  private void launch(Tensor out) {
    launcher.value(out.dim(1)).value(out.dim(2));
    Elementwise.launch(launcher, out.shape().rows(), out.shape().cols());
  }

  /**
   * {@code out[n] = mean of x[n, …]}: sums of chunks of positions in scratch memory, then theirs.
   *
   * @param x {@code [N, …, C]}
   * @param out {@code [N, C]}
   */
  void meanOfPositions(Tensor x, Tensor out) {
    int samples = x.dim(0);
    int cols = x.shape().cols();
    if (samples == 0 || cols == 0) {
      return;
    }
    long positions = x.shape().rows() / samples;
    int chunks = Math.toIntExact(Math.ceilDiv(positions, CHUNK));
    long sums = scratch.address((long) samples * chunks * cols * Double.BYTES);
    int shift = Elementwise.shift(cols, SHIFT);
    launcher
        .of(sumPositions)
        .tensor(x)
        .value(positions)
        .value(CHUNK)
        .value(chunks)
        .value(sums)
        .value(cols)
        .value(shift)
        .launch((long) samples * chunks, Math.ceilDiv(cols, 1 << shift), 1, THREADS);
    launcher.of(meanOfSums).value(sums).value(chunks).value(positions).tensor(out);
    Elementwise.launch(launcher, samples, cols);
  }
}
