package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The matrix product of the linear layer and of the convolution: {@code out = residual + gate ⊙
 * activation(A·Wᵀ + bias)} with packed weights.
 *
 * <p>The blocking is that of Goto and van de Geijn ("Anatomy of High-Performance Matrix
 * Multiplication", 2008): a block of rows of A, and up to {@link MicroKernel#DEPTH} columns of it
 * at a time, is copied to where it stays in the second-level cache; each panel of the weight passes
 * over it once, in {@link FloatTiles} while the next panel is fetched, or on the Vector API from
 * where it lies or from a copy, see {@link StreamKernel}. What A is, only the {@link Rows} know: a
 * tensor, or the windows of a feature map. A finished tile is still in the first-level cache when
 * {@link TileEpilogue} stores it. Threads share the grid of row tiles and panels; none of this
 * changes a bit of the result, because an element is always one chain over k.
 */
final class Gemm implements ThreadTeam.Work {
  /** The rows of the left matrix, which need not exist as a whole. */
  interface Rows {
    /**
     * Copies columns {@code k … k + depth - 1} of the rows {@code row … row + count - 1} to {@code
     * a}, {@link MicroKernel#STRIDE} apart from index {@code at} on.
     */
    void copy(int row, int count, int k, int depth, float[] a, int at);
  }

  /** The rows of a tensor. */
  private static final class TensorRows implements Rows {
    private MemorySegment x;
    private int stride;

    void set(Tensor x) {
      this.x = x.segment();
      stride = x.rowStride();
    }

    @Override
    public void copy(int row, int count, int k, int depth, float[] a, int at) {
      for (int r = 0; r < count; r++) {
        long from = ((long) (row + r) * stride + k) * Float.BYTES;
        copyRun(x, from, a, at + r * MicroKernel.STRIDE, depth);
      }
    }
  }

  /** Bytes of A in the second-level cache: less of it where the next panel comes in early, too. */
  private static final int RESIDENT = FloatTiles.USED ? Caches.L2 / 2 : Caches.L2 / 4 * 3;

  /**
   * Most rows of A that one worker copies at a time: with DEPTH columns they fill much of the
   * second-level cache, lest the weights come in more often than that.
   */
  private static final int BLOCK =
      Math.max(1, RESIDENT / (MicroKernel.STRIDE * Float.BYTES * MicroKernel.ROWS))
          * MicroKernel.ROWS;

  /**
   * Panels whose sums are held while k advances; all of them at once if one piece of k is enough.
   */
  private static final int GROUP = 48;

  private static final VectorSpecies<Float> S = Lanes.F32;

  /** From so many floats on, {@code MemorySegment.copy} is the faster one. */
  private static final int LONG_RUN = 64;

  /** Floats of a cache line. */
  private static final int LINE = 16;

  /** Rows that one call of a kernel multiplies with a panel. */
  private static final int TOGETHER = FloatTiles.USED ? FloatTiles.CHUNK : MicroKernel.ROWS;

  private static final int TILE = TOGETHER * MicroKernel.WIDTH;
  private static final int ADVANCE = MicroKernel.ROWS * MicroKernel.STRIDE;
  private static final int PANEL = MicroKernel.DEPTH * MicroKernel.WIDTH;

  private final ThreadTeam team;
  private final Scratch[] scratch;

  private final TensorRows tensorRows = new TensorRows();

  // The call that is running.
  private Rows source;
  private int rows;
  private int in;
  private int panelCount;
  private int pieces;
  private int depth;
  private MemorySegment panels;
  private int rowParts;
  private Floats bias = Floats.NONE;
  private final TileEpilogue epilogue = new TileEpilogue();

  Gemm(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void linear(Tensor x, PackedWeight weight, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    multiply(x, weight.in(), weight.panels("linear"), e, gate, residual, out);
  }

  /** {@link #multiply(Rows, int, MemorySegment, Epilogue, Tensor, Tensor, Tensor)} of a tensor. */
  void multiply(
      Tensor x,
      int in,
      MemorySegment panels,
      Epilogue e,
      Tensor gate,
      Tensor residual,
      Tensor out) {
    tensorRows.set(x);
    multiply(tensorRows, in, panels, e, gate, residual, out);
  }

  /**
   * {@code out = residual + gate ⊙ activation(A·Wᵀ + bias)}, as the operators say.
   *
   * @param source a row of A for each row of out
   * @param in columns of A
   * @param panels of W, {@code [panels][in][WIDTH]}
   */
  void multiply(
      Rows source,
      int in,
      MemorySegment panels,
      Epilogue e,
      Tensor gate,
      Tensor residual,
      Tensor out) {
    this.source = source;
    this.in = in;
    this.panels = panels;
    depth = depth(in);
    pieces = in == 0 ? 1 : Math.ceilDiv(in, depth);
    rows = Math.toIntExact(out.shape().rows());
    panelCount = PackedWeight.panelCount(out.shape().cols());
    bias = bias(e.bias(), out.shape().cols(), bias);
    epilogue.set(e.activation(), gate, residual, out, out.shape().cols());
    rowParts = rowParts(Math.ceilDiv(rows, MicroKernel.ROWS), panelCount, team.size());
    team.run(this);
  }

  /**
   * The bias, or zeros, for all columns of all panels.
   *
   * @param had what is filled and returned if it is long enough
   */
  static Floats bias(Tensor bias, int count, Floats had) {
    int padded = PackedWeight.panelCount(count) * MicroKernel.WIDTH;
    var to = had.atLeast(padded);
    if (bias != null) {
      MemorySegment.copy(bias.segment(), Tensor.FLOAT, 0, to.array(), 0, count);
    }
    Arrays.fill(to.array(), bias == null ? 0 : count, padded, 0f);
    return to;
  }

  /**
   * How many parts the rows are cut into; the panels are cut into {@code workers / parts}. The
   * least work of a worker wins, in quarters of the product of a tile and a panel: to copy a tile
   * of rows takes as long as 5 of them, to copy a panel as long as 13.
   */
  static int rowParts(int tiles, int panels, int workers) {
    int best = 1;
    long bestCost = Long.MAX_VALUE;
    for (int parts = workers; parts >= 1; parts--) {
      long rows = Math.ceilDiv(tiles, parts);
      long columns = Math.ceilDiv(panels, workers / parts);
      long blocks = Math.ceilDiv(rows * MicroKernel.ROWS, BLOCK);
      long cost = 4 * rows * columns + 5 * rows + 13 * columns * blocks;
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
    if (firstPanel == lastPanel || from >= to) {
      return;
    }
    int group = pieces == 1 ? lastPanel - firstPanel : GROUP;
    // All pieces of a block are kept for the groups to come; for a single group, none is.
    boolean again = lastPanel - firstPanel > group;
    int block = block(to - from);
    int groupFloats = GROUP * block * MicroKernel.WIDTH;
    var a = scratch[worker].buffer(0, (again ? pieces : 1) * block * MicroKernel.STRIDE);
    var c = scratch[worker].buffer(1, pieces == 1 ? TILE : groupFloats);
    float[] t = scratch[worker].floats(2, TILE);
    float[] b = scratch[worker].floats(3, FloatTiles.USED ? 0 : PANEL);
    for (int row = from; row < to; row += block) {
      int count = Math.min(block, to - row);
      for (int panel = firstPanel; panel < lastPanel; panel += group) {
        int end = Math.min(lastPanel, panel + group);
        for (int piece = 0; piece < pieces; piece++) {
          int at = again ? piece * block * MicroKernel.STRIDE : 0;
          if (panel == firstPanel) {
            int k = piece * depth;
            source.copy(row, count, k, Math.min(depth, in - k), a.array(), at);
          }
          multiplyBlock(a, at, b, c, t, row, count, panel, end, piece);
        }
      }
    }
  }

  /** Columns of a piece: as few pieces as can be, of the same size but in whole cache lines. */
  static int depth(int in) {
    int pieces = Math.ceilDiv(in, MicroKernel.DEPTH);
    return pieces < 2 ? in : Math.ceilDiv(Math.ceilDiv(in, pieces), LINE) * LINE;
  }

  /** The rows of a block: as few blocks as fit the cache, of the same size. */
  private static int block(int rows) {
    int tiles = Math.ceilDiv(rows, MicroKernel.ROWS);
    int blocks = Math.ceilDiv(rows, BLOCK);
    return Math.ceilDiv(tiles, blocks) * MicroKernel.ROWS;
  }

  /**
   * Copies a run of floats. A short one is copied in a third of the time that {@code
   * MemorySegment.copy} needs to get going; a long one is left to that.
   *
   * <p>The last vector is copied whole if the memory goes on so far: {@code to} has room for that
   * between its rows, and what comes there is either written later or not looked at.
   */
  static void copyRun(MemorySegment from, long offset, float[] to, int at, int count) {
    if (count >= LONG_RUN) {
      MemorySegment.copy(from, Tensor.FLOAT, offset, to, at, count);
      return;
    }
    int whole = S.loopBound(count);
    if (whole < count && offset + (long) (whole + Lanes.COUNT) * Float.BYTES <= from.byteSize()) {
      whole = count;
    }
    int i = 0;
    for (; i < whole; i += Lanes.COUNT) {
      FloatVector.fromMemorySegment(S, from, offset + (long) i * Float.BYTES, Lanes.LE)
          .intoArray(to, at + i);
    }
    for (; i < count; i++) {
      to[at + i] = from.get(Tensor.FLOAT, offset + (long) i * Float.BYTES);
    }
  }

  /**
   * All tiles of a block of rows and a group of panels, for one piece of k; the last piece is
   * stored.
   */
  private void multiplyBlock(
      Floats a,
      int first,
      float[] b,
      Floats c,
      float[] t,
      int row,
      int count,
      int panel,
      int end,
      int piece) {
    int k = piece * depth;
    int length = Math.min(depth, in - k);
    boolean copied = !FloatTiles.USED && !StreamKernel.pays(count);
    for (int p = panel; p < end; p++) {
      long from = offset(p, k);
      if (copied) {
        MemorySegment.copy(panels, Tensor.FLOAT, from, b, 0, length * MicroKernel.WIDTH);
      }
      // After the panels of a group it is their next piece that follows, after the last one the
      // next group.
      boolean goesOn = p + 1 < end;
      long next =
          goesOn
              ? offset(p + 1, k)
              : piece + 1 < pieces ? offset(panel, k + depth) : offset(end, 0);
      long size =
          Math.min(panels.byteSize() - next, (long) length * MicroKernel.WIDTH * Float.BYTES);
      for (int r = 0; r < count; r += TOGETHER) {
        int height = Math.min(TOGETHER, count - r);
        int at = first + r * MicroKernel.STRIDE;
        int tile = pieces == 1 ? 0 : ((p - panel) * count + r) * MicroKernel.WIDTH;
        // The sums begin with the bias, which costs nothing, and go on with what the piece before
        // left.
        var start = piece == 0 ? bias : c;
        int begin = piece == 0 ? p * MicroKernel.WIDTH : tile;
        int step = piece == 0 ? 0 : MicroKernel.WIDTH;
        if (FloatTiles.USED) {
          long wanted = panels.address() + next;
          FloatTiles.multiply(
              a.segment(),
              at,
              ADVANCE,
              panels,
              from,
              length,
              start.segment(),
              begin,
              step,
              c.segment(),
              tile,
              height,
              wanted + size * r / count,
              wanted + size * (r + height) / count);
        } else if (copied) {
          MicroKernel.multiply(
              a.array(), at, b, 0, length, start.array(), begin, step, c.array(), tile, height);
        } else {
          StreamKernel.multiply(
              a.array(),
              at,
              panels,
              from,
              length,
              start.array(),
              begin,
              step,
              c.array(),
              tile,
              height);
        }
        if (last(piece)) {
          epilogue.activate(c.array(), tile, height, t);
          epilogue.store(
              c.array(), tile, MicroKernel.WIDTH, height, row + r, p * MicroKernel.WIDTH);
        }
      }
    }
  }

  private boolean last(int piece) {
    return piece == pieces - 1;
  }

  /** The byte where a piece of a panel begins. */
  private long offset(int panel, int k) {
    return ((long) panel * in + k) * MicroKernel.WIDTH * Float.BYTES;
  }
}
