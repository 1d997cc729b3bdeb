package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The linear layer: {@code out = residual + gate ⊙ activation(x·Wᵀ + bias)} with packed weights.
 *
 * <p>The blocking is that of Goto and van de Geijn ("Anatomy of High-Performance Matrix
 * Multiplication", 2008): a block of rows of x is copied to where it stays in the second-level
 * cache; each panel of the weight passes over it once per {@link MicroKernel#DEPTH} features. A
 * finished tile is still in the first-level cache when {@link TileEpilogue} stores it. Threads
 * share the grid of row tiles and panels; none of this changes a bit of the result, because an
 * element is always one chain over k.
 */
final class Gemm implements ThreadTeam.Work {
  /**
   * Rows of x that one worker copies at a time: with DEPTH features they fill a part of the
   * second-level cache.
   */
  private static final int BLOCK = 8 * MicroKernel.ROWS;

  /**
   * Panels whose sums are held while k advances; all of them at once if one piece of k is enough.
   */
  private static final int GROUP = 24;

  private static final VectorSpecies<Float> S = Lanes.F32;
  private static final int TILE = MicroKernel.ROWS * MicroKernel.WIDTH;

  private final ThreadTeam team;
  private final Scratch[] scratch;

  // The call that is running.
  private MemorySegment x;
  private int xStride;
  private int rows;
  private int in;
  private int panelCount;
  private MemorySegment panels;
  private int rowParts;
  private float[] bias = new float[0];
  private final TileEpilogue epilogue = new TileEpilogue();

  Gemm(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void linear(Tensor x, PackedWeight weight, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    this.x = x.segment();
    xStride = x.rowStride();
    rows = Math.toIntExact(x.shape().rows());
    in = weight.in();
    panels = weight.panels("linear");
    panelCount = PackedWeight.panelCount(weight.out());
    copyBias(e.bias(), weight.out());
    epilogue.set(e.activation(), gate, residual, out, weight.out());
    rowParts = rowParts(Math.ceilDiv(rows, MicroKernel.ROWS), panelCount, team.size());
    team.run(this);
  }

  /** The bias, or zeros, for all columns of all panels. */
  private void copyBias(Tensor from, int count) {
    int padded = panelCount * MicroKernel.WIDTH;
    if (bias.length < padded) {
      bias = new float[padded];
    }
    int filled = 0;
    if (from != null) {
      MemorySegment.copy(from.segment(), Tensor.FLOAT, 0, bias, 0, count);
      filled = count;
    }
    Arrays.fill(bias, filled, padded, 0f);
  }

  /**
   * How many parts the rows are cut into; the panels are cut into {@code workers / parts}. The best
   * balance wins.
   */
  static int rowParts(int tiles, int panels, int workers) {
    int best = 1;
    long bestCost = Long.MAX_VALUE;
    for (int parts = workers; parts >= 1; parts--) {
      long cost = (long) Math.ceilDiv(tiles, parts) * Math.ceilDiv(panels, workers / parts);
      if (cost < bestCost) {
        best = parts;
        bestCost = cost;
      }
    }
    return best;
  }

  @Override
  public void run(int worker, int workers) {
    int columnParts = workers / rowParts;
    int rowPart = worker / columnParts;
    int columnPart = worker % columnParts;
    if (rowPart >= rowParts) {
      return;
    }
    int tiles = Math.ceilDiv(rows, MicroKernel.ROWS);
    int from = ThreadTeam.begin(tiles, rowPart, rowParts) * MicroKernel.ROWS;
    int to = Math.min(rows, ThreadTeam.begin(tiles, rowPart + 1, rowParts) * MicroKernel.ROWS);
    int firstPanel = ThreadTeam.begin(panelCount, columnPart, columnParts);
    int lastPanel = ThreadTeam.begin(panelCount, columnPart + 1, columnParts);
    if (firstPanel == lastPanel) {
      return;
    }
    int pieces = Math.max(1, Math.ceilDiv(in, MicroKernel.DEPTH));
    float[] a = scratch[worker].floats(0, BLOCK * MicroKernel.STRIDE * pieces);
    int group = pieces == 1 ? lastPanel - firstPanel : GROUP;
    float[] c = scratch[worker].floats(1, pieces == 1 ? TILE : GROUP * BLOCK * MicroKernel.WIDTH);
    float[] t = scratch[worker].floats(2, TILE);
    for (int row = from; row < to; row += BLOCK) {
      int count = Math.min(BLOCK, to - row);
      copyRows(row, count, pieces, a);
      for (int panel = firstPanel; panel < lastPanel; panel += group) {
        int end = Math.min(lastPanel, panel + group);
        for (int piece = 0; piece < pieces; piece++) {
          multiplyBlock(a, c, t, row, count, panel, end, piece, pieces);
        }
      }
    }
  }

  /** Rows of x, cut into pieces of DEPTH features: {@code [pieces][BLOCK][STRIDE]}. */
  private void copyRows(int row, int count, int pieces, float[] a) {
    for (int piece = 0; piece < pieces; piece++) {
      int k = piece * MicroKernel.DEPTH;
      int depth = Math.min(MicroKernel.DEPTH, in - k);
      for (int r = 0; r < count; r++) {
        long from = ((long) (row + r) * xStride + k) * Float.BYTES;
        copyRow(x, from, a, (piece * BLOCK + r) * MicroKernel.STRIDE, depth);
      }
    }
  }

  /**
   * A short row is copied in a third of the time that {@code MemorySegment.copy} needs to get
   * going.
   */
  private static void copyRow(MemorySegment from, long offset, float[] to, int at, int count) {
    int whole = S.loopBound(count);
    for (int i = 0; i < whole; i += Lanes.COUNT) {
      FloatVector.fromMemorySegment(S, from, offset + (long) i * Float.BYTES, Lanes.LE)
          .intoArray(to, at + i);
    }
    for (int i = whole; i < count; i++) {
      to[at + i] = from.get(Tensor.FLOAT, offset + (long) i * Float.BYTES);
    }
  }

  /**
   * All tiles of a block of rows and a group of panels, for one piece of k; the last piece is
   * stored.
   */
  private void multiplyBlock(
      float[] a,
      float[] c,
      float[] t,
      int row,
      int count,
      int panel,
      int end,
      int piece,
      int pieces) {
    int k = piece * MicroKernel.DEPTH;
    int depth = Math.min(MicroKernel.DEPTH, in - k);
    boolean last = piece == pieces - 1;
    for (int p = panel; p < end; p++) {
      long from = ((long) p * in + k) * MicroKernel.WIDTH * Float.BYTES;
      for (int r = 0; r < count; r += MicroKernel.ROWS) {
        int height = Math.min(MicroKernel.ROWS, count - r);
        int at = (piece * BLOCK + r) * MicroKernel.STRIDE;
        int tile = pieces == 1 ? 0 : ((p - panel) * BLOCK + r) * MicroKernel.WIDTH;
        // The sums begin with the bias, which costs nothing, and go on with what the piece before
        // left.
        if (piece == 0) {
          int column = p * MicroKernel.WIDTH;
          MicroKernel.multiply(a, at, panels, from, depth, bias, column, 0, c, tile, height);
        } else {
          MicroKernel.multiply(
              a, at, panels, from, depth, c, tile, MicroKernel.WIDTH, c, tile, height);
        }
        if (last) {
          epilogue.store(c, tile, height, row + r, p * MicroKernel.WIDTH, t);
        }
      }
    }
  }
}
