package dev.gatun.runtime.cuda;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;

/**
 * The kernels of {@code movement.cu}: copies and changes of layout within a device, and embeddings.
 * The arguments have been checked; nothing is allocated.
 */
final class MovementKernels {
  private static final String SOURCE = "movement";
  private static final int THREADS = 256;
  private static final int TILE = 32;
  private static final int MOST_BLOCKS = 65535;

  private final Launcher launcher;
  private final Kernel copy16;
  private final Kernel copy32;
  private final Kernel copy64;
  private final Kernel halfToFloat;
  private final Kernel floatToHalf;
  private final Kernel brainToFloat;
  private final Kernel floatToBrain;
  private final Kernel halfToBrain;
  private final Kernel brainToHalf;
  private final Kernel toChannelsLast;
  private final Kernel toChannelsFirst;
  private final Kernel patches;
  private final Kernel embed;
  private final Kernel timestepEmbedding;

  MovementKernels(Kernels kernels, Launcher launcher) {
    this.launcher = launcher;
    copy16 = kernels.get(SOURCE, "copy16");
    copy32 = kernels.get(SOURCE, "copy32");
    copy64 = kernels.get(SOURCE, "copy64");
    halfToFloat = kernels.get(SOURCE, "halfToFloat");
    floatToHalf = kernels.get(SOURCE, "floatToHalf");
    brainToFloat = kernels.get(SOURCE, "brainToFloat");
    floatToBrain = kernels.get(SOURCE, "floatToBrain");
    halfToBrain = kernels.get(SOURCE, "halfToBrain");
    brainToHalf = kernels.get(SOURCE, "brainToHalf");
    toChannelsLast = kernels.get(SOURCE, "toChannelsLast");
    toChannelsFirst = kernels.get(SOURCE, "toChannelsFirst");
    patches = kernels.get(SOURCE, "patches");
    embed = kernels.get(SOURCE, "embed");
    timestepEmbedding = kernels.get(SOURCE, "timestepEmbedding");
  }

  /**
   * {@code to = from}, row by row, with conversion between F32, F16 and BF16; other types are
   * copied to themselves. The shapes agree in rows and columns.
   */
  void copy(Tensor from, Tensor to) {
    launcher.of(copyKernel(from.dtype(), to.dtype())).tensor(from).tensor(to);
    Elementwise.launch(launcher, to.shape().rows(), to.shape().cols());
  }

  /** {@code to = from}, f32 rounded to bf16, rows back to back at an address. */
  void toBrain(Tensor from, long to) {
    int cols = from.shape().cols();
    launcher.of(floatToBrain).tensor(from).value(to).value((long) cols);
    Elementwise.launch(launcher, from.shape().rows(), cols);
  }

  /** {@code to = from}, bf16 rows back to back at an address widened to f32. */
  void fromBrain(long from, Tensor to) {
    int cols = to.shape().cols();
    launcher.of(brainToFloat).value(from).value((long) cols).tensor(to);
    Elementwise.launch(launcher, to.shape().rows(), cols);
  }

  private Kernel copyKernel(DType from, DType to) {
    if (from == to) {
      return switch (from.bytes()) {
        case 2 -> copy16;
        case 4 -> copy32;
        case 8 -> copy64;
        default -> throw new IllegalArgumentException("copy of " + from);
      };
    }
    if (from == DType.F32) {
      return to == DType.F16 ? floatToHalf : floatToBrain;
    }
    if (to == DType.F32) {
      return from == DType.F16 ? halfToFloat : brainToFloat;
    }
    return from == DType.F16 ? halfToBrain : brainToHalf;
  }

  /** {@code [N, C, H, W] → [N, H, W, C]}. */
  void toChannelsLast(Tensor nchw, Tensor out) {
    launcher.of(toChannelsLast).tensor(nchw).tensor(out);
    exchange(nchw.dim(0), nchw.dim(1), nchw.dim(2), nchw.dim(3));
  }

  /** {@code [N, H, W, C] → [N, C, H, W]}. */
  void toChannelsFirst(Tensor nhwc, Tensor out) {
    launcher.of(toChannelsFirst).tensor(nhwc).tensor(out);
    exchange(nhwc.dim(0), nhwc.dim(3), nhwc.dim(1), nhwc.dim(2));
  }

  private void exchange(int samples, int channels, int height, int width) {
    long positions = (long) height * width;
    launcher
        .value(samples)
        .value(channels)
        .value(height)
        .value(width)
        .launch(
            Math.ceilDiv(positions, TILE),
            Math.min(MOST_BLOCKS, Math.ceilDiv(channels, TILE)),
            Math.min(MOST_BLOCKS, samples),
            THREADS);
  }

  /** {@code [N, H, W, C] → [N, (H/p)(W/p), p·p·C]}. */
  void patchify(Tensor x, int patch, Tensor out) {
    patches(x, patch, out, 1);
  }

  /** {@code [N, (H/p)(W/p), p·p·C] → [N, H, W, C]}. */
  void unpatchify(Tensor x, int patch, Tensor out) {
    patches(out, patch, x, 0);
  }

  private void patches(Tensor image, int patch, Tensor tokens, int cut) {
    launcher
        .of(patches)
        .tensor(image)
        .tensor(tokens)
        .value(cut)
        .value(image.dim(2))
        .value(image.dim(3))
        .value(patch);
    Elementwise.launch(launcher, tokens.shape().rows(), tokens.shape().cols());
  }

  /**
   * {@code out[i] = table[ids[i]]}; a row of an id that has no entry becomes NaN.
   *
   * @param table F32 {@code [entries, D]}
   * @param ids I64, any arrangement of n ids
   * @param out F32 {@code [n, D]}
   */
  void embed(Tensor table, Tensor ids, Tensor out) {
    launcher
        .of(embed)
        .tensor(table)
        .value((long) table.dim(0))
        .tensor(ids)
        .value(ids.shape().cols())
        .tensor(out);
    Elementwise.launch(launcher, out.shape().rows(), out.shape().cols());
  }

  /**
   * Row n is {@code [cos(t_n·freq_0 … ), sin(t_n·freq_0 … )]}.
   *
   * @param t {@code [n]}
   * @param out {@code [n, D]}
   */
  void timestepEmbedding(Tensor t, double maxPeriod, Tensor out) {
    launcher.of(timestepEmbedding).pointer(t).value((float) -Math.log(maxPeriod)).tensor(out);
    Elementwise.launch(launcher, out.shape().rows(), out.shape().cols());
  }
}
