package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * Convolution of stride 1 in bf16, without windows being copied. Some lines of the map are rounded
 * to bf16, as rows of pixels with the padding in between:
 *
 * <pre>
 *   0 0 0 0 0 0      a pixel is a row of a matrix; the window of the position that many pixels
 *   0 x x x x x      from the beginning is made of the rows there, one further, two further,
 *   0 x x x x x      then the same one line below, and so on
 *   0 0 0 0 0 0
 * </pre>
 *
 * <p>So each tap of the kernel is a product of the same rows, some places on, with the tap's part
 * of the weight, and the tiles of a tap are read right from the map. One column of zeros serves a
 * line on its right and the next one on its left, and so do lines of zeros between samples. The
 * positions on the padding are computed for nothing, and not stored.
 *
 * <p>A worker takes so many lines that they stay in its second-level cache, and goes through the
 * panels of the kernel with them; where there are few such parts, through some of the panels.
 *
 * <p>An element is one chain over taps and channels, whatever stands beside it.
 */
final class BrainConvolution implements AutoCloseable {
  private static final int ROWS = BrainProduct.ROWS;
  private static final int WIDTH = BrainWeight.WIDTH;
  private static final int SUM_BYTES = WIDTH * Float.BYTES;

  /** Bytes of a block of channels of a pixel. */
  private static final int BLOCK_BYTES = BrainWeight.DEPTH * Short.BYTES;

  /**
   * Most blocks of channels that go through all taps before the next: neighbouring taps then find
   * their pixels in the first-level cache.
   */
  private static final int PIECE = 4;

  /** Fewest units of work for each worker. */
  private static final int UNITS = 6;

  /** Bytes of rounded lines that leave room for two panels in the second-level cache. */
  private static final int MAP_BYTES = Caches.L2 / 8 * 3;

  /** Positions whose sums are made before they are stored. */
  private static final int CHUNK = 256;

  private final ThreadTeam team;
  private final BrainScratch[] scratch;
  private final BrainBias bias = new BrainBias();
  private final BrainEpilogue epilogue = new BrainEpilogue();
  private final ThreadTeam.Work multiplying = this::multiply;
  private Tensor offsets = Tensor.allocate(DType.I64, Shape.of(0));

  // The call that is running.
  private Tensor x;
  private int samples;
  private int height;
  private int width;
  private int outHeight;
  private int outWidth;
  private int columns;
  private int top;
  private int left;
  private int pitch; // pixels of a padded line
  private int lines; // of a sample, with those of zeros up to the next
  private int linesTogether; // of a unit of work
  private int group; // panels of a unit of work
  private int blocks; // of 32 channels
  private int piece; // so many of them go together
  private int parts; // taps of all pieces
  private long rowBytes;
  private long weight;
  private int kernelHeight;
  private int slack; // pixels that tiles read beyond the last line

  BrainConvolution(ThreadTeam team, BrainScratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  /**
   * Whether a convolution is computed here. Channels must be whole blocks, since a window is a run
   * of such blocks; and the padding must leave a line its place.
   */
  static boolean takes(BrainKernel kernel, Conv2dSpec spec) {
    return spec.stride() == 1
        && kernel.in() > 0
        && kernel.in() % BrainWeight.DEPTH == 0
        && Math.min(spec.left(), spec.right()) < kernel.width()
        && Math.min(spec.top(), spec.bottom()) < kernel.height();
  }

  void conv2d(
      Tensor x, BrainKernel kernel, Conv2dSpec spec, Epilogue e, Tensor residual, Tensor out) {
    this.x = x;
    weight = kernel.weight("conv2d").address("conv2d");
    samples = x.dim(0);
    height = x.dim(1);
    width = x.dim(2);
    outHeight = out.dim(1);
    outWidth = out.dim(2);
    columns = out.dim(3);
    if (out.shape().size() == 0) {
      return;
    }
    top = spec.top();
    left = spec.left();
    pitch = Math.addExact(width, Math.max(left, spec.right()));
    lines = Math.addExact(height, Math.max(top, spec.bottom()));
    blocks = kernel.in() / BrainWeight.DEPTH;
    rowBytes = BrainGemm.rowBytes(blocks);
    epilogue.set(e.activation(), null, residual, out);
    bias.set(e.bias(), columns);
    setOffsets(kernel);
    kernelHeight = kernel.height();
    slack = kernel.width() + ROWS;
    divide();
    team.run(multiplying);
  }

  /** Cuts the lines and the panels into units of work. */
  private void divide() {
    int all = samples * lines;
    long fitting = Math.max(1, MAP_BYTES / (pitch * rowBytes) - kernelHeight + 1);
    int ranges = Math.toIntExact(Math.ceilDiv(all, Math.min(all, fitting)));
    int panels = BrainWeight.panelCount(columns);
    int enough = team.size() == 1 ? 1 : UNITS * team.size();
    // Few panels: less of the map for each. Else some of the panels for each.
    ranges = Math.min(all, Math.max(ranges, Math.ceilDiv(enough, panels)));
    linesTogether = Math.ceilDiv(all, ranges);
    group = Math.ceilDiv(panels, Math.ceilDiv(enough, ranges));
  }

  /** The places of taps: a piece of the channels after the other, in each all of the kernel. */
  private void setOffsets(BrainKernel kernel) {
    int taps = kernel.height() * kernel.width();
    piece = Math.min(PIECE, blocks);
    while (blocks % piece != 0) {
      piece--;
    }
    parts = taps * (blocks / piece);
    if (!offsets.isAlive() || offsets.dim(0) < 2 * parts) {
      offsets.close();
      offsets = Tensor.allocate(DType.I64, Shape.of(2 * parts));
    }
    for (int part = 0; part < parts; part++) {
      int block = part / taps * piece;
      int tap = part % taps;
      long pixels = (long) tap / kernel.width() * pitch + tap % kernel.width();
      offsets.setLong(2 * part, pixels * rowBytes + block * (long) BLOCK_BYTES);
      offsets.setLong(2 * part + 1, (tap * blocks + block) * (long) BrainWeight.BLOCK_BYTES);
    }
  }

  private void multiply(int worker, int workers) {
    var buffers = scratch[worker];
    int all = samples * lines;
    int panels = BrainWeight.panelCount(columns);
    int groups = Math.ceilDiv(panels, group);
    int units = Math.multiplyExact(Math.ceilDiv(all, linesTogether), groups);
    int rounded = -1;
    for (int unit; (unit = team.take()) < units; ) {
      int line = unit / groups * linesTogether;
      int count = Math.min(linesTogether, all - line);
      if (line != rounded) {
        round(buffers, line, count + kernelHeight - 1);
        rounded = line;
      }
      int first = unit % groups * group;
      for (int panel = first; panel < Math.min(panels, first + group); panel++) {
        for (int at = 0; at < count * pitch; at += CHUNK) {
          multiply(buffers, line * pitch, at, Math.min(CHUNK, count * pitch - at), panel);
        }
      }
    }
  }

  /** Rounds lines of the map, with the zeros around them. */
  private void round(BrainScratch buffers, int first, int count) {
    long lineBytes = pitch * rowBytes;
    long bytes = count * lineBytes + slack * rowBytes;
    long to = buffers.staging().atLeast(bytes);
    for (int line = first; line < first + count; line++, to += lineBytes) {
      int y = line % lines - top;
      if (line >= samples * lines || y < 0 || y >= height || width == 0) {
        clear(buffers, to, lineBytes);
        continue;
      }
      long pixel = (long) (line / lines * height + y) * width;
      long pixels = to + left * rowBytes;
      int channels = blocks * BrainWeight.DEPTH;
      clear(buffers, to, left * rowBytes);
      BrainRows.toBlocks(buffers.arguments(), x, pixel, 0, pixels, rowBytes, width, channels);
      clear(buffers, pixels + width * rowBytes, (pitch - left - width) * rowBytes);
    }
    clear(buffers, to, slack * rowBytes);
  }

  private static void clear(BrainScratch buffers, long at, long bytes) {
    if (bytes > 0) {
      var memory = buffers.staging().segment();
      memory.asSlice(at - memory.address(), bytes).fill((byte) 0);
    }
  }

  /**
   * Some positions by a panel.
   *
   * @param begin position of the first rounded pixel
   * @param at of the first one here, from there on
   */
  private void multiply(BrainScratch buffers, int begin, int at, int count, int panel) {
    int steps = parts * piece;
    long sums = buffers.sums().atLeast((long) CHUNK * SUM_BYTES);
    long panelBytes = (long) steps * BrainWeight.BLOCK_BYTES;
    buffers
        .convolution()
        .set(BrainProduct.A, buffers.staging().atLeast(0) + at * rowBytes)
        .set(BrainProduct.A_STRIDE, rowBytes)
        .set(BrainProduct.B, weight + panel * panelBytes)
        .set(BrainProduct.B_PANEL, panelBytes)
        .set(BrainProduct.START, bias.address(panel))
        .set(BrainProduct.START_STRIDE, 0)
        .set(BrainProduct.C, sums)
        .set(BrainProduct.C_STRIDE, SUM_BYTES)
        .set(BrainProduct.STEPS, piece)
        .set(BrainProduct.TAPS, parts)
        .set(BrainProduct.OFFSETS, offsets.address());
    BrainProduct.multiply(buffers.convolution(), count, 1, steps);
    store(buffers, sums, begin + at, count, panel * WIDTH);
  }

  /** The positions that are results, in runs of one line. */
  private void store(BrainScratch buffers, long sums, int position, int count, int column) {
    int end = position + count;
    for (int at = position; at < end; ) {
      int line = at / pitch;
      int j = at % pitch;
      int i = line % lines;
      int next = Math.min(end, (line + 1) * pitch);
      int run = Math.min(next - at, outWidth - j);
      if (i < outHeight && run > 0) {
        int row = (line / lines * outHeight + i) * outWidth + j;
        long from = sums + (long) (at - position) * SUM_BYTES;
        epilogue.store(buffers.arguments(), from, SUM_BYTES, row, run, column);
      }
      at = next;
    }
  }

  @Override
  public void close() {
    bias.close();
    offsets.close();
  }
}
