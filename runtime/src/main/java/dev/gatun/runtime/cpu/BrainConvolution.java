package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * Convolution of stride 1 in bf16, without windows being copied. The map is rounded to bf16 once,
 * into rows of pixels with the padding in between:
 *
 * <pre>
 *   0 0 0 0 0 0      a pixel is a row of a matrix; the window of the position that many pixels
 *   0 x x x x x      from the beginning is made of the rows there, one further, two further,
 *   0 x x x x x      then the same one line below, and so on
 *   0 0 0 0 0 0
 * </pre>
 *
 * <p>So each tap of the kernel is a product of the same rows, some places on, with the tap's part
 * of the weight, and the rows of a tap are read right from the map. One column of zeros serves a
 * line on its right and the next one on its left, and so do lines of zeros between samples. The
 * positions on the padding are computed for nothing, and not stored.
 *
 * <p>An element is one chain over taps and channels, whatever stands beside it.
 */
final class BrainConvolution implements AutoCloseable {
  private static final int WIDTH = BrainWeight.WIDTH;
  private static final int SUM_BYTES = WIDTH * Float.BYTES;

  /** Positions that are computed together: whole blocks. */
  private static final int CHUNK = 512;

  private final ThreadTeam team;
  private final BrainScratch[] scratch;
  private final NativeBuffer map = new NativeBuffer();
  private final BrainBias bias = new BrainBias();
  private final BrainEpilogue epilogue = new BrainEpilogue();
  private final ThreadTeam.Work rounding = this::round;
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
  private int taps;
  private int blocks; // of 32 channels
  private long rowBytes;
  private long weight;
  private long begin;

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
    taps = kernel.height() * kernel.width();
    blocks = kernel.in() / BrainWeight.DEPTH;
    rowBytes = BrainGemm.rowBytes(blocks);
    epilogue.set(e.activation(), null, residual, out);
    bias.set(e.bias(), columns);
    setOffsets(kernel);
    // Blocks that begin at the last position read this far.
    long pixels = (long) (samples * lines + kernel.height()) * pitch + kernel.width() + CHUNK;
    begin = map.atLeast(pixels * rowBytes);
    team.run(rounding);
    team.run(multiplying);
  }

  private void setOffsets(BrainKernel kernel) {
    if (offsets.dim(0) < taps) {
      offsets.close();
      offsets = Tensor.allocate(DType.I64, Shape.of(taps));
    }
    for (int tap = 0; tap < taps; tap++) {
      long pixels = (long) tap / kernel.width() * pitch + tap % kernel.width();
      offsets.setLong(tap, pixels * rowBytes);
    }
  }

  /** Rounds lines of the map and sets the zeros around them. */
  private void round(int worker, int workers) {
    int all = samples * lines;
    int first = ThreadTeam.begin(all, worker, workers);
    int end = ThreadTeam.begin(all, worker + 1, workers);
    long lineBytes = pitch * rowBytes;
    for (int line = first; line < end; line++) {
      int y = line % lines - top;
      long to = begin + line * lineBytes;
      if (y < 0 || y >= height) {
        clear(to, lineBytes);
        continue;
      }
      long stride = (long) x.rowStride() * Float.BYTES;
      long from = x.address() + (long) (line / lines * height + y) * width * stride;
      clear(to, left * rowBytes);
      long pixels = to + left * rowBytes;
      int channels = blocks * BrainWeight.DEPTH;
      BrainRows.round(scratch[worker].arguments(), from, stride, pixels, rowBytes, width, channels);
      clear(pixels + width * rowBytes, (pitch - left - width) * rowBytes);
    }
    if (worker == workers - 1) {
      clear(begin + all * lineBytes, map.segment().byteSize() - all * lineBytes);
    }
  }

  private void clear(long at, long bytes) {
    if (bytes > 0) {
      map.segment().asSlice(at - begin, bytes).fill((byte) 0);
    }
  }

  private void multiply(int worker, int workers) {
    int panels = BrainWeight.panelCount(columns);
    int chunks = Math.ceilDiv(samples * lines * pitch, CHUNK);
    // Panels are shared out where there are enough of them, else positions.
    boolean byPanels = panels >= 4 * workers || panels >= chunks;
    int firstPanel = byPanels ? ThreadTeam.begin(panels, worker, workers) : 0;
    int lastPanel = byPanels ? ThreadTeam.begin(panels, worker + 1, workers) : panels;
    int first = byPanels ? 0 : ThreadTeam.begin(chunks, worker, workers);
    int last = byPanels ? chunks : ThreadTeam.begin(chunks, worker + 1, workers);
    for (int chunk = first; chunk < last; chunk++) {
      int position = chunk * CHUNK;
      int count = Math.min(CHUNK, samples * lines * pitch - position);
      for (int panel = firstPanel; panel < lastPanel; panel++) {
        multiply(scratch[worker], position, count, panel);
      }
    }
  }

  /** Some positions by a panel. */
  private void multiply(BrainScratch buffers, int position, int count, int panel) {
    int steps = taps * blocks;
    long sums = buffers.sums().atLeast((long) CHUNK * SUM_BYTES);
    long panelBytes = (long) steps * BrainWeight.BLOCK_BYTES;
    buffers
        .convolution()
        .set(BrainProduct.A, begin + position * rowBytes)
        .set(BrainProduct.A_STRIDE, rowBytes)
        .set(BrainProduct.B, weight + panel * panelBytes)
        .set(BrainProduct.B_PANEL, panelBytes)
        .set(BrainProduct.START, bias.address(panel))
        .set(BrainProduct.START_STRIDE, 0)
        .set(BrainProduct.C, sums)
        .set(BrainProduct.C_STRIDE, SUM_BYTES)
        .set(BrainProduct.STEPS, blocks)
        .set(BrainProduct.TAPS, taps)
        .set(BrainProduct.OFFSETS, offsets.address());
    BrainProduct.multiply(buffers.convolution(), count, 1, steps);
    store(buffers, sums, position, count, panel * WIDTH);
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
    map.close();
    bias.close();
    offsets.close();
  }
}
