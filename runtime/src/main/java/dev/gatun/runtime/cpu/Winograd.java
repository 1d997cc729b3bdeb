package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.WinogradTransform.OUT;
import static dev.gatun.runtime.cpu.WinogradTransform.POINTS;
import static dev.gatun.runtime.cpu.WinogradTransform.TAPS;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A 3×3 convolution of stride 1 with a quarter of the multiplications: F(4×4, 3×3) of Lavin and
 * Gray ("Fast Algorithms for Convolutional Neural Networks", 2015).
 *
 * <pre>
 *   for each 6×6 piece of the operand, 4 apart:  V = Bᵀ·d·B      [36][tiles][in]
 *   for each pair of channels of the kernel:     U = G·g·Gᵀ      [36][in][out]
 *   for each of the 36 points:                   M = V·U         [36][tiles][out]
 *   for each 4×4 piece of the result:            y = Aᵀ·M·A
 * </pre>
 *
 * <p>A worker takes a block of tiles whose V it keeps, and goes through the output channels panel
 * by panel. U is made anew for each block: that takes a tenth of the time of the products, while a
 * U that is kept would take four times the memory of the kernel. Each sum over the channels is one
 * chain, whatever the block; so batch and threads do not change a bit of the result.
 *
 * <p>The error is relative to the largest number of a 6×6 piece, not to those that a result depends
 * on, and what is not finite spreads over its tiles.
 */
final class Winograd implements ThreadTeam.Work {
  private static final int WIDTH = MicroKernel.WIDTH;
  private static final int PLANES = POINTS * POINTS;

  /** Tiles whose V a worker keeps at the most. */
  private static final int BLOCK = 96;

  /** Floats of a plane that go through both passes of a transform while they are in the cache. */
  private static final int CHUNK = 192 / WIDTH * WIDTH;

  /** Floats of a tap that are read at a time: with fewer, the processor fetches none ahead. */
  private static final int STRIP = 8 * CHUNK;

  /** Fewest channels of the operand for which the transforms pay. */
  private static final int CHANNELS = 8;

  /** Time of the transform of a tile, in that of its products with one panel. */
  private static final int INPUT_COST = 3;

  /** Time of the transform of a panel, in that of its products with one tile. */
  private static final int FILTER_COST = 13;

  /** Added to the distance of planes, lest all of them fall on the same cache sets. */
  private static final int SKEW = 5 * 16;

  private static final Floats ZEROS = Floats.of(WIDTH);

  private final ThreadTeam team;
  private final Scratch[] scratch;
  private final TileEpilogue epilogue = new TileEpilogue();

  // The call that is running.
  private MemorySegment x;
  private int xStride;
  private int height;
  private int width;
  private int outHeight;
  private int outWidth;
  private int in;
  private int top;
  private int left;
  private PanelKernel kernel;
  private int panelCount;
  private int tilesDown;
  private int tilesAcross;
  private int tiles;
  private int tileParts;
  private Floats bias = Floats.NONE;

  Winograd(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  /**
   * Whether it takes less time than the direct sum. Measured with 16 to 768 channels: a map of 8×8
   * takes as long either way, one of 12×12 two thirds of the time, one of 32×32 a third; three or
   * four channels take as long either way, eight three quarters. Neither the number of samples nor
   * the vectors of this machine count, so that a sample has the same bits in every batch and on
   * every machine.
   *
   * @param speed how many times as fast as in f32 the direct sum is
   */
  static boolean pays(ConvKernel kernel, Conv2dSpec spec, int outHeight, int outWidth, int speed) {
    if (kernel.height() != TAPS || kernel.width() != TAPS || spec.stride() != 1) {
      return false;
    }
    // In units of the nine products of a position: a tile has 36, and a quarter of that for its
    // transforms; the transform of the kernel takes as long as ten tiles.
    long tiles = (long) Math.ceilDiv(outHeight, OUT) * Math.ceilDiv(outWidth, OUT);
    return kernel.in() >= CHANNELS && (long) outHeight * outWidth >= speed * (5 * tiles + 48);
  }

  void conv2d(
      Tensor x, PanelKernel kernel, Conv2dSpec spec, Epilogue e, Tensor residual, Tensor out) {
    this.x = x.segment();
    xStride = x.rowStride();
    height = x.dim(1);
    width = x.dim(2);
    outHeight = out.dim(1);
    outWidth = out.dim(2);
    in = kernel.in();
    top = spec.top();
    left = spec.left();
    this.kernel = kernel;
    panelCount = PackedWeight.panelCount(kernel.out());
    tilesDown = Math.ceilDiv(outHeight, OUT);
    tilesAcross = Math.ceilDiv(outWidth, OUT);
    tiles = Math.multiplyExact(out.dim(0), tilesDown * tilesAcross);
    bias = Gemm.bias(e.bias(), kernel.out(), bias);
    epilogue.set(e.activation(), null, residual, out, kernel.out());
    tileParts = tileParts(tiles, panelCount, team.size());
    team.run(this);
  }

  /** How many parts the tiles are cut into; the panels are cut into {@code workers / parts}. */
  static int tileParts(int tiles, int panels, int workers) {
    int best = 1;
    long bestCost = Long.MAX_VALUE;
    for (int parts = workers; parts >= 1; parts--) {
      long share = Math.ceilDiv(tiles, parts);
      long columns = Math.ceilDiv(panels, workers / parts);
      long blocks = Math.ceilDiv(share, BLOCK);
      long cost = share * columns + share * INPUT_COST + blocks * columns * FILTER_COST;
      if (cost < bestCost) {
        best = parts;
        bestCost = cost;
      }
    }
    return best;
  }

  /** Pieces of at most DEPTH channels. */
  private int pieces() {
    return Math.ceilDiv(in, MicroKernel.DEPTH);
  }

  /** Tiles side by side in V. */
  private int perLine() {
    return PackedRows.perLine(RowBlock.padded(Math.min(in, MicroKernel.DEPTH)));
  }

  private int planeV(int rows) {
    return pieces() * PackedRows.floats(rows, perLine()) + SKEW;
  }

  private int planeU() {
    return in * WIDTH + SKEW;
  }

  private static int planeM(int rows) {
    return rows * WIDTH + SKEW;
  }

  @Override
  public void run(int worker, int workers) {
    int panelParts = workers / tileParts;
    int tilePart = worker / panelParts;
    int panelPart = worker % panelParts;
    if (tilePart >= tileParts) {
      return;
    }
    int from = ThreadTeam.begin(tiles, tilePart, tileParts);
    int to = ThreadTeam.begin(tiles, tilePart + 1, tileParts);
    int firstPanel = ThreadTeam.begin(panelCount, panelPart, panelParts);
    int lastPanel = ThreadTeam.begin(panelCount, panelPart + 1, panelParts);
    int share = to - from;
    if (share == 0 || firstPanel == lastPanel) {
      return;
    }
    int rows =
        Math.ceilDiv(Math.ceilDiv(share, Math.ceilDiv(share, BLOCK)), MicroKernel.ROWS)
            * MicroKernel.ROWS;
    var buffers = scratch[worker];
    var v = buffers.buffer(0, PLANES * planeV(rows));
    var u = buffers.buffer(1, PLANES * planeU());
    var m = buffers.buffer(2, PLANES * planeM(rows));
    for (int tile = from; tile < to; tile += rows) {
      int count = Math.min(rows, to - tile);
      transformInput(tile, count, rows, v.array(), buffers);
      for (int panel = firstPanel; panel < lastPanel; panel++) {
        transformFilter(panel, u.array(), buffers);
        multiply(v, u, m, count, rows);
        transformOutput(m.array(), tile, count, rows, panel, buffers);
      }
    }
  }

  /** V of a block of tiles. */
  private void transformInput(int tile, int count, int rows, float[] v, Scratch buffers) {
    int perLine = perLine();
    int pieceFloats = PackedRows.floats(rows, perLine);
    int plane = planeV(rows);
    int line = POINTS * in;
    int padded = RowBlock.padded(line);
    float[] d = buffers.floats(3, POINTS * padded + Lanes.COUNT);
    float[] t = buffers.floats(4, POINTS * padded + Lanes.COUNT);
    for (int r = 0; r < count; r++) {
      gather(tile + r, d);
      // Down the columns of all positions of a line at once, then along each line.
      WinogradTransform.input(d, 0, line, t, 0, padded, line);
      for (int piece = 0; piece < pieces(); piece++) {
        int channels = Math.min(MicroKernel.DEPTH, in - piece * MicroKernel.DEPTH);
        int at = piece * pieceFloats + PackedRows.at(r, perLine, RowBlock.padded(channels));
        for (int i = 0; i < POINTS; i++) {
          int from = i * padded + piece * MicroKernel.DEPTH;
          int to = at + i * POINTS * plane;
          WinogradTransform.input(t, from, in, v, to, plane, channels);
        }
      }
    }
  }

  /** The 6×6 positions that a tile depends on, {@code [6][6][in]}; zeros outside the map. */
  private void gather(int tile, float[] d) {
    int across = tile % tilesAcross * OUT - left;
    int down = tile / tilesAcross % tilesDown * OUT - top;
    long sample = (long) (tile / tilesAcross / tilesDown) * height;
    int first = Math.clamp(-across, 0, POINTS);
    int last = Math.clamp(width - across, first, POINTS);
    for (int i = 0; i < POINTS; i++) {
      int at = i * POINTS * in;
      int y = down + i;
      if (y < 0 || y >= height) {
        Arrays.fill(d, at, at + POINTS * in, 0f);
        continue;
      }
      Arrays.fill(d, at, at + first * in, 0f);
      long pixel = (sample + y) * width + across;
      if (xStride == in) {
        Gemm.copyRun(
            x, (pixel + first) * in * Float.BYTES, d, at + first * in, (last - first) * in);
      } else {
        for (int j = first; j < last; j++) {
          Gemm.copyRun(x, (pixel + j) * xStride * Float.BYTES, d, at + j * in, in);
        }
      }
      Arrays.fill(d, at + last * in, at + POINTS * in, 0f);
    }
  }

  /** U of a panel, {@code [36][in][WIDTH]}. */
  private void transformFilter(int panel, float[] u, Scratch buffers) {
    float[] g = buffers.floats(3, TAPS * TAPS * STRIP);
    float[] t = buffers.floats(4, POINTS * TAPS * CHUNK);
    int plane = planeU();
    for (int channel = 0; channel < in; channel += STRIP / WIDTH) {
      int channels = Math.min(STRIP / WIDTH, in - channel);
      for (int tap = 0; tap < TAPS * TAPS; tap++) {
        kernel.copyTap(panel, tap, channel, channels, g, tap * STRIP);
      }
      for (int k = 0; k < channels * WIDTH; k += CHUNK) {
        int count = Math.min(CHUNK, channels * WIDTH - k);
        for (int row = 0; row < TAPS; row++) {
          WinogradTransform.filter(
              g, row * STRIP + k, TAPS * STRIP, t, row * CHUNK, TAPS * CHUNK, count);
        }
        for (int i = 0; i < POINTS; i++) {
          int to = i * POINTS * plane + channel * WIDTH + k;
          WinogradTransform.filter(t, i * TAPS * CHUNK, CHUNK, u, to, plane, count);
        }
      }
    }
  }

  /** {@code M = V·U} for all points. */
  private void multiply(Floats v, Floats u, Floats m, int count, int rows) {
    int perLine = perLine();
    int pieceFloats = PackedRows.floats(rows, perLine);
    // Whole tiles: the rows beyond the last one exist, and nobody looks at them.
    int whole = Math.ceilDiv(count, MicroKernel.ROWS) * MicroKernel.ROWS;
    for (int plane = 0; plane < PLANES; plane++) {
      int sums = plane * planeM(rows);
      for (int piece = 0; piece < pieces(); piece++) {
        int k = piece * MicroKernel.DEPTH;
        int depth = Math.min(MicroKernel.DEPTH, in - k);
        int padded = RowBlock.padded(depth);
        int advance = PackedRows.advance(perLine, padded);
        int first = plane * planeV(rows) + piece * pieceFloats;
        int b = plane * planeU() + k * WIDTH;
        var start = piece == 0 ? ZEROS : m;
        for (int r = 0, end; r < whole; r = end) {
          end = PackedRows.end(r, whole, perLine);
          int a = first + PackedRows.at(r, perLine, padded);
          int c = sums + r * WIDTH;
          int begin = piece == 0 ? 0 : c;
          int step = piece == 0 ? 0 : WIDTH;
          TileProduct.multiply(v, a, advance, u, b, depth, start, begin, step, m, c, end - r);
        }
      }
    }
  }

  /** The results of a block of tiles and a panel, stored. */
  private void transformOutput(
      float[] m, int tile, int count, int rows, int panel, Scratch buffers) {
    float[] t = buffers.floats(3, OUT * POINTS * CHUNK);
    float[] y = buffers.floats(4, OUT * OUT * CHUNK);
    float[] e = buffers.floats(5, OUT * OUT * CHUNK);
    int plane = planeM(rows);
    for (int r = 0; r < count; r += CHUNK / WIDTH) {
      int together = Math.min(count - r, CHUNK / WIDTH);
      int floats = together * WIDTH;
      for (int j = 0; j < POINTS; j++) {
        int from = j * plane + r * WIDTH;
        WinogradTransform.output(m, from, POINTS * plane, t, j * CHUNK, POINTS * CHUNK, floats);
      }
      for (int i = 0; i < OUT; i++) {
        int to = i * OUT * floats;
        WinogradTransform.output(t, i * POINTS * CHUNK, CHUNK, y, to, floats, floats);
      }
      epilogue.activate(y, 0, OUT * OUT * together, bias.array(), panel * WIDTH, e);
      for (int s = 0; s < together; s++) {
        store(y, s * WIDTH, floats, tile + r + s, panel * WIDTH);
      }
    }
  }

  /** Stores a tile whose results are {@code step} floats apart. */
  private void store(float[] y, int at, int step, int tile, int column) {
    int across = tile % tilesAcross * OUT;
    int down = tile / tilesAcross % tilesDown * OUT;
    int sample = tile / tilesAcross / tilesDown;
    int pixels = Math.min(OUT, outWidth - across);
    for (int i = 0; i < Math.min(OUT, outHeight - down); i++) {
      int row = (sample * outHeight + down + i) * outWidth + across;
      epilogue.store(y, at + i * OUT * step, step, pixels, row, column);
    }
  }
}
