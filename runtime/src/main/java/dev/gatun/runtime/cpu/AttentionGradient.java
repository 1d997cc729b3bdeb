package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The gradient of attention, one head after the other: with the weights P, computed anew, {@code dV
 * = Pᵀ·dO}, {@code dP = dO·Vᵀ}, {@code dS = scale·P ⊙ (dP − Σ P ⊙ dP)}, {@code dQ = dS·K} and
 * {@code dK = dSᵀ·Q}.
 *
 * <p>As in {@link FlashAttention} the lanes of a vector are queries, a panel of them at a time, so
 * Pᵀ and dSᵀ {@code [keys][queries]} are made without a sum across lanes, and dSᵀ is at once the
 * right operand of {@code dQᵀ = Kᵀ·dSᵀ}. A block of panels of both is collected as left operands
 * for dV and dK, which grow from block to block.
 */
final class AttentionGradient implements ThreadTeam.Work {
  private static final VectorSpecies<Float> S = Lanes.F32;

  /** Queries of a panel. */
  private static final int PANEL = MicroKernel.WIDTH;

  /** Queries of a block. */
  private static final int BLOCK = MicroKernel.DEPTH;

  private static final Floats ZEROS = Floats.of(PANEL);

  /** The buffers of one worker: left operands, sums, and right operands. */
  private static final class Buffers {
    Floats k = Floats.NONE;
    Floats v = Floats.NONE;
    Floats kTransposed = Floats.NONE;
    Floats p = Floats.NONE;
    Floats ds = Floats.NONE;
    Floats pPanel = Floats.NONE;
    Floats dsPanel = Floats.NONE;
    Floats dq = Floats.NONE;
    Floats dk = Floats.NONE;
    Floats dv = Floats.NONE;
    float[] row = new float[0];
    Floats right = Floats.NONE;
  }

  private final ThreadTeam team;
  private final Buffers[] buffers;

  // The call that is running.
  private Tensor q;
  private Tensor k;
  private Tensor v;
  private Tensor dOut;
  private Tensor dq;
  private Tensor dk;
  private Tensor dv;
  private int heads;
  private int size;
  private int queries;
  private int keys;
  private int sizePanels;
  private float scale;
  private boolean causal;

  AttentionGradient(ThreadTeam team) {
    this.team = team;
    buffers = new Buffers[team.size()];
    for (int i = 0; i < buffers.length; i++) {
      buffers[i] = new Buffers();
    }
  }

  void gradient(
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    this.q = q;
    this.k = k;
    this.v = v;
    this.dOut = dOut;
    this.dq = dq;
    this.dk = dk;
    this.dv = dv;
    heads = spec.heads();
    size = q.dim(2) / heads;
    queries = q.dim(1);
    keys = k.dim(1);
    sizePanels = Math.ceilDiv(size, PANEL);
    scale = spec.scale();
    causal = spec.causal();
    team.run(this);
  }

  @Override
  public void run(int worker, int workers) {
    int units = Math.multiplyExact(q.dim(0), heads);
    int end = ThreadTeam.begin(units, worker + 1, workers);
    for (int unit = ThreadTeam.begin(units, worker, workers); unit < end; unit++) {
      head(unit / heads, unit % heads, buffers[worker]);
    }
  }

  private void head(int n, int head, Buffers b) {
    int pieces = Math.ceilDiv(size, MicroKernel.DEPTH);
    int keyPieces = Math.ceilDiv(keys, MicroKernel.DEPTH);
    b.row = b.row.length < size ? new float[size] : b.row;
    b.right = b.right.atLeast(Math.max(size, BLOCK) * PANEL);
    b.k = b.k.atLeast(pieces * keys * MicroKernel.STRIDE);
    b.v = b.v.atLeast(pieces * keys * MicroKernel.STRIDE);
    b.kTransposed = b.kTransposed.atLeast(keyPieces * size * MicroKernel.STRIDE);
    b.p = b.p.atLeast(keys * MicroKernel.STRIDE);
    b.ds = b.ds.atLeast(keys * MicroKernel.STRIDE);
    b.pPanel = b.pPanel.atLeast(keys * PANEL);
    b.dsPanel = b.dsPanel.atLeast(keys * PANEL);
    b.dq = b.dq.atLeast(size * PANEL);
    b.dk = b.dk.atLeast(sizePanels * keys * PANEL);
    b.dv = b.dv.atLeast(sizePanels * keys * PANEL);
    packRows(k, n, head, b.k.array());
    packRows(v, n, head, b.v.array());
    packColumns(n, head, b.kTransposed.array(), b.row);
    Arrays.fill(b.dk.array(), 0, sizePanels * keys * PANEL, 0f);
    Arrays.fill(b.dv.array(), 0, sizePanels * keys * PANEL, 0f);
    for (int first = 0; first < queries; first += BLOCK) {
      int count = Math.min(BLOCK, queries - first);
      for (int query = 0; query < count; query += PANEL) {
        panel(n, head, first, query, Math.min(PANEL, count - query), b);
      }
      addBlock(q, n, head, first, count, b.ds, b.dk, b);
      addBlock(dOut, n, head, first, count, b.p, b.dv, b);
    }
    storeKeys(b.dk.array(), dk, n, head);
    storeKeys(b.dv.array(), dv, n, head);
  }

  /** Rows of keys or values as a left operand, {@code [pieces][keys][STRIDE]}. */
  private void packRows(Tensor from, int n, int head, float[] to) {
    for (int c = 0, at = 0; c < size; c += MicroKernel.DEPTH) {
      int depth = Math.min(MicroKernel.DEPTH, size - c);
      for (int key = 0; key < keys; key++, at += MicroKernel.STRIDE) {
        load(from, (long) n * keys + key, head * size + c, to, at, depth);
      }
    }
  }

  /** Kᵀ as a left operand, {@code [pieces of keys][size][STRIDE]}. */
  private void packColumns(int n, int head, float[] to, float[] row) {
    for (int key = 0; key < keys; key++) {
      load(k, (long) n * keys + key, head * size, row, 0, size);
      int piece = key / MicroKernel.DEPTH;
      int at = piece * size * MicroKernel.STRIDE + key % MicroKernel.DEPTH;
      for (int c = 0; c < size; c++) {
        to[at + c * MicroKernel.STRIDE] = row[c];
      }
    }
  }

  /** One panel of queries: dQ, and its columns of Pᵀ and dSᵀ. */
  private void panel(int n, int head, int first, int query, int count, Buffers b) {
    long row = (long) n * queries + first + query;
    transpose(q, row, count, head, scale, b.right.array(), b.row);
    product(b.k, keys, b.right, size, b.pPanel, 0, false);
    if (causal) {
      FlashAttention.hideLater(b.pPanel.array(), 0, 0, keys, first + query);
    }
    softmax(b.pPanel.array(), keys);
    transpose(dOut, row, count, head, 1, b.right.array(), b.row);
    product(b.v, keys, b.right, size, b.dsPanel, 0, false);
    for (int half = 0; half < PANEL; half += Lanes.COUNT) {
      slopes(b.pPanel.array(), b.dsPanel.array(), half, half + keys * PANEL, scale);
    }
    product(b.kTransposed, size, b.dsPanel, keys, b.dq, 0, false);
    storeQueries(row, count, head, b);
    for (int key = 0; key < keys; key++) {
      System.arraycopy(
          b.pPanel.array(), key * PANEL, b.p.array(), key * MicroKernel.STRIDE + query, PANEL);
      System.arraycopy(
          b.dsPanel.array(), key * PANEL, b.ds.array(), key * MicroKernel.STRIDE + query, PANEL);
    }
  }

  /** {@code C = A·B} or {@code C += A·B} for a left operand {@code [pieces of k][rows][STRIDE]}. */
  private static void product(
      Floats a, int rows, Floats right, int k, Floats c, int to, boolean add) {
    int advance = MicroKernel.ROWS * MicroKernel.STRIDE;
    for (int done = 0, piece = 0; done < k; done += MicroKernel.DEPTH, piece++) {
      int depth = Math.min(MicroKernel.DEPTH, k - done);
      boolean goesOn = add || piece > 0;
      TileProduct.multiply(
          a,
          piece * rows * MicroKernel.STRIDE,
          advance,
          right,
          done * PANEL,
          depth,
          goesOn ? c : ZEROS,
          goesOn ? to : 0,
          goesOn ? PANEL : 0,
          c,
          to,
          rows);
    }
  }

  /** Rows of queries as a right operand, {@code [size][PANEL]}, with zeros where there is none. */
  private void transpose(
      Tensor from, long first, int count, int head, float factor, float[] to, float[] row) {
    if (count < PANEL) {
      Arrays.fill(to, 0, size * PANEL, 0f);
    }
    for (int i = 0; i < count; i++) {
      load(from, first + i, head * size, row, 0, size);
      for (int c = 0; c < size; c++) {
        to[c * PANEL + i] = row[c] * factor;
      }
    }
  }

  /** The scores of all keys become weights. */
  private static void softmax(float[] p, int keys) {
    int end = keys * PANEL;
    for (int half = 0; half < PANEL; half += Lanes.COUNT) {
      subtractMaximum(p, half, half + end);
    }
    Exponential.exp(p, 0, end);
    for (int half = 0; half < PANEL; half += Lanes.COUNT) {
      divideBySum(p, half, half + end);
    }
  }

  private static void subtractMaximum(float[] p, int from, int to) {
    var max = FloatVector.fromArray(S, p, from);
    for (int i = from + PANEL; i < to; i += PANEL) {
      var score = FloatVector.fromArray(S, p, i);
      max = max.blend(score, score.compare(VectorOperators.GT, max));
    }
    for (int i = from; i < to; i += PANEL) {
      FloatVector.fromArray(S, p, i).sub(max).intoArray(p, i);
    }
  }

  private static void divideBySum(float[] p, int from, int to) {
    var sum = FloatVector.zero(S);
    for (int i = from; i < to; i += PANEL) {
      sum = sum.add(FloatVector.fromArray(S, p, i));
    }
    var inverse = FloatVector.broadcast(S, 1f).div(sum);
    for (int i = from; i < to; i += PANEL) {
      FloatVector.fromArray(S, p, i).mul(inverse).intoArray(p, i);
    }
  }

  /** dP becomes dS. */
  private static void slopes(float[] p, float[] d, int from, int to, float scale) {
    var mean = FloatVector.zero(S);
    for (int i = from; i < to; i += PANEL) {
      mean = FloatVector.fromArray(S, p, i).fma(FloatVector.fromArray(S, d, i), mean);
    }
    for (int i = from; i < to; i += PANEL) {
      var weight = FloatVector.fromArray(S, p, i).mul(scale);
      FloatVector.fromArray(S, d, i).sub(mean).mul(weight).intoArray(d, i);
    }
  }

  /** {@code sums += left·rows} for the rows of a block of queries, panel by panel of channels. */
  private void addBlock(
      Tensor rows, int n, int head, int first, int count, Floats left, Floats sums, Buffers b) {
    for (int panel = 0; panel < sizePanels; panel++) {
      int column = panel * PANEL;
      int width = Math.min(PANEL, size - column);
      if (width < PANEL) {
        Arrays.fill(b.right.array(), 0, count * PANEL, 0f);
      }
      for (int i = 0; i < count; i++) {
        load(
            rows,
            (long) n * queries + first + i,
            head * size + column,
            b.right.array(),
            i * PANEL,
            width);
      }
      product(left, keys, b.right, count, sums, panel * keys * PANEL, true);
    }
  }

  private void storeQueries(long row, int count, int head, Buffers b) {
    for (int i = 0; i < count; i++) {
      for (int c = 0; c < size; c++) {
        b.row[c] = b.dq.array()[c * PANEL + i];
      }
      store(b.row, 0, dq, row + i, head * size, size);
    }
  }

  private void storeKeys(float[] sums, Tensor to, int n, int head) {
    for (int key = 0; key < keys; key++) {
      for (int column = 0; column < size; column += PANEL) {
        int at = (column / PANEL * keys + key) * PANEL;
        int width = Math.min(PANEL, size - column);
        store(sums, at, to, (long) n * keys + key, head * size + column, width);
      }
    }
  }

  private static void load(Tensor from, long row, int column, float[] to, int at, int count) {
    long element = row * from.rowStride() + column;
    MemorySegment.copy(from.segment(), Tensor.FLOAT, element * Float.BYTES, to, at, count);
  }

  private static void store(float[] from, int at, Tensor to, long row, int column, int count) {
    long element = row * to.rowStride() + column;
    MemorySegment.copy(from, at, to.segment(), Tensor.FLOAT, element * Float.BYTES, count);
  }
}
