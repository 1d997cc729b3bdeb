package dev.gatun.runtime.cuda;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;

/**
 * The kernels of {@code attention.cu}, attention with an online softmax, and of {@code
 * attentionGradient.cu}. The arguments have been checked; nothing is allocated.
 */
final class AttentionKernels {
  private static final String SOURCE = "attention";
  private static final String GRADIENT_SOURCE = "attentionGradient";
  private static final int THREADS = 128;

  /** Queries of a large and of a small tile. */
  private static final int LARGE = 64;

  private static final int SMALL = 32;

  /** With fewer blocks than this, small tiles keep more of the GPU busy. */
  private static final long FEW_BLOCKS = 512;

  /** Channels that a block of the gradient writes. */
  private static final int GRADIENT_SLICE = 64;

  /** What is kept of a query for the gradient: maximum, sum and mean. */
  private static final int STATISTICS = 3;

  private final Launcher launcher;
  private final Scratch scratch;
  private final Kernel large64;
  private final Kernel large80;
  private final Kernel large128;
  private final Kernel small64;
  private final Kernel small80;
  private final Kernel small128;
  private final Kernel small256;
  private final Kernel statistics;
  private final Kernel gradientOfQueries;
  private final Kernel gradientOfKeys;

  AttentionKernels(Kernels kernels, Launcher launcher, Scratch scratch) {
    this.launcher = launcher;
    this.scratch = scratch;
    large64 = kernels.get(SOURCE, "attention64x64");
    large80 = kernels.get(SOURCE, "attention64x80");
    large128 = kernels.get(SOURCE, "attention64x128");
    small64 = kernels.get(SOURCE, "attention32x64");
    small80 = kernels.get(SOURCE, "attention32x80");
    small128 = kernels.get(SOURCE, "attention32x128");
    small256 = kernels.get(SOURCE, "attention32x256");
    statistics = kernels.get(GRADIENT_SOURCE, "attentionStatistics");
    gradientOfQueries = kernels.get(GRADIENT_SOURCE, "attentionGradientOfQueries");
    gradientOfKeys = kernels.get(GRADIENT_SOURCE, "attentionGradientOfKeys");
  }

  /**
   * {@code softmax(scale·q·kᵀ + bias)·v} for each head.
   *
   * @param q {@code [N, Lq, C]}
   * @param k {@code [N, Lk, C]}
   * @param v {@code [N, Lk, C]}
   * @param out {@code [N, Lq, C]}
   */
  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    var grid = spec.windows();
    int windows = grid == null ? 1 : grid.count();
    int queries = grid == null ? q.dim(1) : grid.area();
    int keys = grid == null ? k.dim(1) : queries;
    int size = q.dim(2) / spec.heads();
    long matrices = (long) q.dim(0) * windows * spec.heads();
    int slices = Math.ceilDiv(size, width(size));
    // Only where the results go depends on the tile: the bits are the same.
    boolean large =
        size <= 128
            && queries > SMALL
            && matrices * slices * Math.ceilDiv(queries, LARGE) >= FEW_BLOCKS;
    launcher
        .of(large ? large(size) : small(size))
        .tensor(q)
        .tensor(k)
        .tensor(v)
        .tensor(out)
        .value(spec.heads())
        .value(size)
        .value(queries)
        .value(keys)
        .value(spec.scale())
        .value(spec.causal() ? 1 : 0)
        .value(grid == null ? 0 : grid.width())
        .value(grid == null ? 0 : grid.side())
        .value(windows)
        .tensor(spec.relativeBias())
        .launch(matrices * slices * Math.ceilDiv(queries, large ? LARGE : SMALL), THREADS);
  }

  /** Channels of a head that a block has room for. */
  private static int width(int size) {
    if (size <= 64) {
      return 64;
    }
    if (size <= 80) {
      return 80;
    }
    return size <= 128 ? 128 : 256;
  }

  private Kernel large(int size) {
    return switch (width(size)) {
      case 64 -> large64;
      case 80 -> large80;
      default -> large128;
    };
  }

  private Kernel small(int size) {
    return switch (width(size)) {
      case 64 -> small64;
      case 80 -> small80;
      case 128 -> small128;
      default -> small256;
    };
  }

  /**
   * Gradient of {@link #attention} without windows and bias.
   *
   * @param dOut {@code [N, Lq, C]}
   * @param dq {@code [N, Lq, C]}
   * @param dk {@code [N, Lk, C]}
   * @param dv {@code [N, Lk, C]}
   */
  void attentionGradient(
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    int size = q.dim(2) / spec.heads();
    if (q.dim(0) == 0 || size == 0) {
      return;
    }
    long matrices = (long) q.dim(0) * spec.heads();
    long queries = matrices * q.dim(1);
    long numbers = scratch.address(STATISTICS * queries * Float.BYTES);
    long queryTiles = matrices * Math.ceilDiv(q.dim(1), SMALL);
    long keyTiles = matrices * Math.ceilDiv(k.dim(1), SMALL);
    int slices = Math.ceilDiv(size, GRADIENT_SLICE);
    launcher.of(statistics);
    operands(q, k, v, spec, dOut, numbers);
    launcher.launch(queryTiles, THREADS);
    launcher.of(gradientOfQueries);
    operands(q, k, v, spec, dOut, numbers);
    launcher.tensor(dq).launch(queryTiles * slices, THREADS);
    launcher.of(gradientOfKeys);
    operands(q, k, v, spec, dOut, numbers);
    launcher.tensor(dk).tensor(dv).launch(keyTiles * slices, THREADS);
  }

  private void operands(
      Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor dOut, long numbers) {
    launcher
        .tensor(q)
        .tensor(k)
        .tensor(v)
        .tensor(dOut)
        .value(spec.heads())
        .value(q.dim(2) / spec.heads())
        .value(q.dim(1))
        .value(k.dim(1))
        .value(spec.scale())
        .value(spec.causal() ? 1 : 0)
        .value(numbers)
        .value((long) q.dim(0) * spec.heads() * q.dim(1));
  }
}
