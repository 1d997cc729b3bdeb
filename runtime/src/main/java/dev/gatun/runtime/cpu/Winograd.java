package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.WinogradTransform.OUT;
import static dev.gatun.runtime.cpu.WinogradTransform.POINTS;
import static dev.gatun.runtime.cpu.WinogradTransform.TAPS;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

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
 * <p>A worker takes a block of tiles whose V it keeps, and goes through the output channels by
 * groups of panels. U is made anew for each block: that is a few hundredths of the products, while
 * a U that is kept would take four times the memory of the kernel. Each sum over the channels is
 * one chain, whatever the block; so batch and threads do not change a bit of the result.
 */
final class Winograd implements ThreadTeam.Work {
  private static final VectorSpecies<Float> S = Lanes.F32;
  private static final int WIDTH = MicroKernel.WIDTH;
  private static final int PLANES = POINTS * POINTS;

  /** Tiles whose V a worker keeps at the most. */
  private static final int BLOCK =
      Integer.getInteger("w.block", 96) / MicroKernel.ROWS * MicroKernel.ROWS;

  /** Panels of the kernel that are transformed at a time. */
  private static final int GROUP = Integer.getInteger("w.group", 4);

  /** Floats of a plane that go through both passes of a transform while they are in the cache. */
  private static final int CHUNK = 64;

  /** Fewest positions of a result and fewest channels for which the transforms pay. */
  private static final int POSITIONS = Integer.getInteger("w.pos", 256);

  private static final int CHANNELS = Integer.getInteger("w.chan", 32);

  /** Costs of a tile's V and of a panel row's U, measured in products of a tile with such a row. */
  private static final int INPUT_COST = 8;

  private static final int FILTER_COST = 3;

  private static final float[] ZEROS = new float[WIDTH];

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
  private MemorySegment panels;
  private int panelCount;
  private int tilesDown;
  private int tilesAcross;
  private int tiles;
  private int tileParts;
  private float[] bias = new float[0];

  Winograd(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  /**
   * Whether it takes less time than the direct sum. The number of samples does not count, so that a
   * sample has the same bits in every batch.
   */
  static boolean pays(PackedKernel kernel, Conv2dSpec spec, Tensor out) {
    return kernel.height() == TAPS
        && kernel.width() == TAPS
        && spec.stride() == 1
        && kernel.in() >= CHANNELS
        && kernel.out() >= CHANNELS
        && out.dim(1) * out.dim(2) >= POSITIONS;
  }

  void conv2d(
      Tensor x, PackedKernel kernel, Conv2dSpec spec, Epilogue e, Tensor residual, Tensor out) {
    this.x = x.segment();
    xStride = x.rowStride();
    height = x.dim(1);
    width = x.dim(2);
    outHeight = out.dim(1);
    outWidth = out.dim(2);
    in = kernel.in();
    top = spec.top();
    left = spec.left();
    panels = kernel.panels("conv2d");
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
    float[] v = buffers.floats(0, PLANES * pieces() * PackedRows.floats(rows, perLine()));
    float[] u = buffers.floats(1, PLANES * GROUP * in * WIDTH);
    float[] m = buffers.floats(2, PLANES * GROUP * rows * WIDTH);
    for (int tile = from; tile < to; tile += rows) {
      int count = Math.min(rows, to - tile);
      transformInput(tile, count, rows, v, buffers);
      for (int panel = firstPanel; panel < lastPanel; panel += GROUP) {
        int end = Math.min(lastPanel, panel + GROUP);
        for (int p = panel; p < end; p++) {
          transformFilter(p, u, (p - panel) * in * WIDTH, buffers);
        }
        multiply(v, u, m, count, rows, end - panel);
        for (int p = panel; p < end; p++) {
          transformOutput(m, (p - panel) * rows * WIDTH, tile, count, rows, p, buffers);
        }
      }
    }
  }

  /** V of a block of tiles. */
  private void transformInput(int tile, int count, int rows, float[] v, Scratch buffers) {
    int perLine = perLine();
    int pieceFloats = PackedRows.floats(rows, perLine);
    float[] d = buffers.floats(3, PLANES * in + Lanes.COUNT);
    float[] t = buffers.floats(4, PLANES * CHUNK);
    for (int r = 0; r < count; r++) {
      gather(tile + r, d);
      for (int c = 0; c < in; c += CHUNK) {
        int piece = c / MicroKernel.DEPTH;
        int depth = RowBlock.padded(Math.min(MicroKernel.DEPTH, in - piece * MicroKernel.DEPTH));
        int at = piece * pieceFloats + PackedRows.at(r, perLine, depth) + c % MicroKernel.DEPTH;
        int channels = Math.min(CHUNK, in - c);
        for (int i = 0; i < POINTS; i++) {
          WinogradTransform.input(
              d, i * POINTS * in + c, in, t, i * POINTS * CHUNK, CHUNK, channels);
        }
        int plane = pieces() * pieceFloats;
        for (int j = 0; j < POINTS; j++) {
          WinogradTransform.input(
              t, j * CHUNK, POINTS * CHUNK, v, at + j * plane, POINTS * plane, channels);
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

  /** U of a panel, {@code [36][group][in][WIDTH]}. */
  private void transformFilter(int panel, float[] u, int at, Scratch buffers) {
    float[] g = buffers.floats(3, TAPS * TAPS * CHUNK);
    float[] t = buffers.floats(4, TAPS * POINTS * CHUNK);
    int length = in * WIDTH;
    int plane = GROUP * length;
    for (int k = 0; k < length; k += CHUNK) {
      int count = Math.min(CHUNK, length - k);
      for (int tap = 0; tap < TAPS * TAPS; tap++) {
        long from = ((long) panel * TAPS * TAPS + tap) * length + k;
        Gemm.copyRun(panels, from * Float.BYTES, g, tap * CHUNK, count);
      }
      for (int i = 0; i < TAPS; i++) {
        WinogradTransform.filter(g, i * TAPS * CHUNK, CHUNK, t, i * POINTS * CHUNK, CHUNK, count);
      }
      for (int j = 0; j < POINTS; j++) {
        WinogradTransform.filter(
            t, j * CHUNK, POINTS * CHUNK, u, at + k + j * plane, POINTS * plane, count);
      }
    }
  }

  /** {@code M = V·U} for all points. */
  private void multiply(float[] v, float[] u, float[] m, int count, int rows, int group) {
    int perLine = perLine();
    int pieces = pieces();
    int pieceFloats = PackedRows.floats(rows, perLine);
    for (int plane = 0; plane < PLANES; plane++) {
      for (int p = 0; p < group; p++) {
        int sums = (plane * GROUP + p) * rows * WIDTH;
        for (int piece = 0; piece < pieces; piece++) {
          int k = piece * MicroKernel.DEPTH;
          int depth = Math.min(MicroKernel.DEPTH, in - k);
          int padded = RowBlock.padded(depth);
          int a = (plane * pieces + piece) * pieceFloats;
          int b = ((plane * GROUP + p) * in + k) * WIDTH;
          // Whole tiles: the rows beyond the last one exist, and nobody looks at them.
          for (int r = 0; r < count; r += MicroKernel.ROWS) {
            int at = a + PackedRows.at(r, perLine, padded);
            int c = sums + r * WIDTH;
            if (piece == 0) {
              MicroKernel.multiply(v, at, u, b, depth, ZEROS, 0, 0, m, c, MicroKernel.ROWS);
            } else {
              MicroKernel.multiply(v, at, u, b, depth, m, c, WIDTH, m, c, MicroKernel.ROWS);
            }
          }
        }
      }
    }
  }

  /** The results of a block of tiles and a panel, stored. */
  private void transformOutput(
      float[] m, int at, int tile, int count, int rows, int panel, Scratch buffers) {
    int chunk = MicroKernel.ROWS * WIDTH;
    float[] t = buffers.floats(3, POINTS * OUT * chunk);
    float[] y = buffers.floats(4, OUT * OUT * WIDTH);
    float[] e = buffers.floats(5, OUT * WIDTH);
    int plane = GROUP * rows * WIDTH;
    for (int r = 0; r < count; r += MicroKernel.ROWS) {
      for (int i = 0; i < POINTS; i++) {
        int from = at + i * POINTS * plane + r * WIDTH;
        WinogradTransform.output(m, from, plane, t, i * OUT * chunk, chunk, chunk);
      }
      for (int s = r; s < Math.min(count, r + MicroKernel.ROWS); s++) {
        for (int j = 0; j < OUT; j++) {
          int from = j * chunk + (s - r) * WIDTH;
          WinogradTransform.output(t, from, OUT * chunk, y, j * WIDTH, OUT * WIDTH, WIDTH);
        }
        addBias(y, panel * WIDTH);
        store(y, tile + s, panel * WIDTH, e);
      }
    }
  }

  private void addBias(float[] y, int column) {
    var p = FloatVector.fromArray(S, bias, column);
    var q = FloatVector.fromArray(S, bias, column + Lanes.COUNT);
    for (int i = 0; i < OUT * OUT * WIDTH; i += WIDTH) {
      FloatVector.fromArray(S, y, i).add(p).intoArray(y, i);
      FloatVector.fromArray(S, y, i + Lanes.COUNT).add(q).intoArray(y, i + Lanes.COUNT);
    }
  }

  private void store(float[] y, int tile, int column, float[] t) {
    int across = tile % tilesAcross * OUT;
    int down = tile / tilesAcross % tilesDown * OUT;
    int sample = tile / tilesAcross / tilesDown;
    int pixels = Math.min(OUT, outWidth - across);
    for (int i = 0; i < Math.min(OUT, outHeight - down); i++) {
      int row = (sample * outHeight + down + i) * outWidth + across;
      epilogue.store(y, i * OUT * WIDTH, pixels, row, column, t);
    }
  }
}
