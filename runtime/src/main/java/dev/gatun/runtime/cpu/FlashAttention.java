package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Attention with the online softmax of Milakov and Gimelshein (2018), in the blocks of
 * FlashAttention (Dao et al., 2022): for two panels of queries at a time, blocks of keys are
 * scored, exponentiated and multiplied by their values while they are in the cache. The L×L matrix
 * never exists.
 *
 * <p>Everything is transposed: the lanes of a vector are queries. Scores are {@code Sᵀ = K·Qᵀ
 * [keys][queries]}, so the softmax over keys runs down the rows without any sum across lanes, and
 * its result is at once the right operand of {@code Oᵀ = Vᵀ·P [channels][queries]}. Both products
 * are {@link MicroKernel} tiles, and any number of keys and any head size is exact, without
 * padding.
 *
 * <p>Tokens attend to each other in groups: the windows of a sample, or all of it.
 */
final class FlashAttention implements ThreadTeam.Work {
  private static final VectorSpecies<Float> S = Lanes.F32;

  /** Queries of a panel. */
  private static final int QUERIES = MicroKernel.WIDTH;

  /**
   * Keys of a block: the scores of a panel fill a good part of the first-level cache. They are
   * whole tiles and a part of {@link MicroKernel#DEPTH}.
   */
  static final int KEYS = 192;

  /**
   * Panels that go over a block of keys together: each tile of K and V is then read once for all.
   */
  private static final int PANELS = 2;

  private static final Floats ZEROS = Floats.of(QUERIES);

  private final ThreadTeam team;
  private final Scratch[] scratch;

  // The call that is running.
  private MemorySegment q;
  private MemorySegment k;
  private MemorySegment v;
  private MemorySegment out;
  private int qStride;
  private int kStride;
  private int vStride;
  private int outStride;
  private AttentionSpec.Windows windows;
  private int groups;
  private int heads;
  private int size;
  private int queries;
  private int keys;
  private float scale;
  private boolean causal;
  private final RelativeBias bias = new RelativeBias();

  FlashAttention(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    this.q = q.segment();
    this.k = k.segment();
    this.v = v.segment();
    this.out = out.segment();
    qStride = q.rowStride();
    kStride = k.rowStride();
    vStride = v.rowStride();
    outStride = out.rowStride();
    windows = spec.windows();
    int perSample = windows == null ? 1 : windows.count();
    groups = Math.multiplyExact(q.dim(0), perSample);
    heads = spec.heads();
    size = q.dim(2) / heads;
    queries = q.dim(1) / perSample;
    keys = k.dim(1) / perSample;
    scale = spec.scale() * Exponential.LOG2_E; // the softmax is computed with powers of 2
    causal = spec.causal();
    if (size == 0) {
      return; // no channels: there is nothing to write
    }
    bias.set(spec, Exponential.LOG2_E);
    team.run(this);
  }

  /** The layout of the packed keys: {@code [pieces]} of {@link PackedRows}. */
  private int pieces() {
    return Math.ceilDiv(size, MicroKernel.DEPTH);
  }

  private int perLine() {
    return PackedRows.perLine(Math.min(size, MicroKernel.DEPTH));
  }

  private int pieceFloats() {
    return PackedRows.floats(keys, perLine());
  }

  @Override
  public void run(int worker, int workers) {
    int panels = Math.ceilDiv(queries, PANELS * QUERIES);
    int units = Math.multiplyExact(Math.multiplyExact(groups, heads), panels);
    int end = ThreadTeam.begin(units, worker + 1, workers);
    int packed = -1;
    for (int unit = ThreadTeam.begin(units, worker, workers); unit < end; unit++) {
      int pair = unit / panels;
      if (pair != packed) {
        packKeys(pair / heads, pair % heads, scratch[worker]);
        packValues(pair / heads, pair % heads, scratch[worker]);
        packed = pair;
      }
      attend(pair / heads, pair % heads, unit % panels * PANELS * QUERIES, scratch[worker]);
    }
  }

  private void packKeys(int group, int head, Scratch buffers) {
    float[] to = buffers.floats(0, pieces() * pieceFloats());
    int perLine = perLine();
    for (int piece = 0; piece < pieces(); piece++) {
      int channel = piece * MicroKernel.DEPTH;
      int depth = Math.min(MicroKernel.DEPTH, size - channel);
      for (int key = 0; key < keys; key++) {
        int at = piece * pieceFloats() + PackedRows.at(key, perLine, depth);
        copyRow(k, row(group, key, keys), kStride, head * size + channel, to, at, depth);
      }
    }
  }

  /** Values, channel by channel: {@code [blocks of DEPTH keys][size][STRIDE]}. */
  private void packValues(int group, int head, Scratch buffers) {
    int blocks = Math.ceilDiv(keys, MicroKernel.DEPTH);
    float[] to = buffers.floats(1, blocks * size * MicroKernel.STRIDE);
    int step = RowBlock.padded(size);
    float[] rows = buffers.floats(3, Lanes.COUNT * step);
    for (int key = 0; key < keys; key += Lanes.COUNT) {
      for (int i = 0; i < Math.min(Lanes.COUNT, keys - key); i++) {
        copyRow(v, row(group, key + i, keys), vStride, head * size, rows, i * step, size);
      }
      Transpose.blocks(rows, step);
      int at = key / MicroKernel.DEPTH * size * MicroKernel.STRIDE + key % MicroKernel.DEPTH;
      spread(rows, step, to, at, MicroKernel.STRIDE, 1);
    }
  }

  /** Channel c of transposed rows, times a factor, to index {@code at + c·stride}. */
  private void spread(float[] rows, int step, float[] to, int at, int stride, float factor) {
    for (int c = 0; c < size; c += Lanes.COUNT) {
      int count = Math.min(Lanes.COUNT, size - c);
      for (int j = 0; j < count; j++) {
        var values = FloatVector.fromArray(S, rows, j * step + c).mul(factor);
        values.intoArray(to, at + (c + j) * stride);
      }
    }
  }

  /** The row of a token of a group. */
  private long row(int group, int token, int tokens) {
    return windows == null ? (long) group * tokens + token : windows.row(group, token);
  }

  private static void copyRow(
      MemorySegment from, long row, int stride, int column, float[] to, int at, int count) {
    MemorySegment.copy(from, Tensor.FLOAT, (row * stride + column) * Float.BYTES, to, at, count);
  }

  /**
   * What a panel of queries needs: Sᵀ and then P {@code [KEYS][QUERIES]}; Oᵀ {@code
   * [size][QUERIES]}; running maximum, sum and correction, one row each; Qᵀ {@code
   * [size][QUERIES]}.
   */
  private int panelFloats() {
    return (KEYS + 2 * size + 3) * QUERIES;
  }

  private static int o(int panel) {
    return panel + KEYS * QUERIES;
  }

  private int max(int panel) {
    return o(panel) + size * QUERIES;
  }

  private int sum(int panel) {
    return max(panel) + QUERIES;
  }

  private int correction(int panel) {
    return max(panel) + 2 * QUERIES;
  }

  private int q(int panel) {
    return max(panel) + 3 * QUERIES;
  }

  /** Some panels of queries of one head. */
  private void attend(int group, int head, int query, Scratch buffers) {
    int count = Math.min(PANELS * QUERIES, queries - query);
    int end = Math.ceilDiv(count, QUERIES) * panelFloats();
    var products = buffers.buffer(2, PANELS * panelFloats());
    float[] work = products.array();
    float[] rows = buffers.floats(3, Lanes.COUNT * RowBlock.padded(size));
    for (int panel = 0, i = 0; panel < end; panel += panelFloats(), i += QUERIES) {
      packQueries(group, head, query + i, work, q(panel), rows);
      Arrays.fill(work, max(panel), sum(panel), Float.NEGATIVE_INFINITY);
      Arrays.fill(work, sum(panel), correction(panel), 0f);
    }
    int visible = causal ? Math.min(keys, query + count) : keys;
    for (int key = 0; key < visible; key += KEYS) {
      int block = Math.min(KEYS, visible - key);
      score(key, block, products, end, buffers);
      for (int panel = 0, i = query; panel < end; panel += panelFloats(), i += QUERIES) {
        bias.add(work, panel, head, key, block, i, Math.min(QUERIES, queries - i));
        if (causal) {
          hideLater(work, panel, key, block, i);
        }
        softmax(work, panel, block);
        if (key > 0) {
          correct(work, o(panel), size, correction(panel));
        }
      }
      addValues(key, block, products, end, buffers);
    }
    for (int panel = 0, i = query; panel < end; panel += panelFloats(), i += QUERIES) {
      store(group, head, i, work, o(panel), sum(panel), rows);
    }
  }

  /** {@code Qᵀ·scale [size][QUERIES]}; columns without a query are zero. */
  private void packQueries(int group, int head, int query, float[] work, int to, float[] rows) {
    int step = RowBlock.padded(size);
    int count = Math.min(QUERIES, queries - query);
    for (int half = 0; half < QUERIES; half += Lanes.COUNT) {
      int present = Math.clamp(count - half, 0, Lanes.COUNT);
      for (int i = 0; i < present; i++) {
        long row = row(group, query + half + i, queries);
        copyRow(q, row, qStride, head * size, rows, i * step, size);
      }
      Arrays.fill(rows, present * step, Lanes.COUNT * step, 0f);
      Transpose.blocks(rows, step);
      spread(rows, step, work, to + half, QUERIES, scale);
    }
  }

  /** {@code Sᵀ = K·Qᵀ} for a block of keys and the panels before {@code end}. */
  private void score(int key, int block, Floats work, int end, Scratch buffers) {
    var packed = buffers.buffer(0, 0);
    int perLine = perLine();
    int last = key + block;
    for (int piece = 0; piece < pieces(); piece++) {
      int channel = piece * MicroKernel.DEPTH;
      int depth = Math.min(MicroKernel.DEPTH, size - channel);
      int advance = PackedRows.advance(perLine, depth);
      var start = piece == 0 ? ZEROS : work;
      int step = piece == 0 ? 0 : QUERIES;
      for (int row = key, next; row < last; row = next) {
        next = PackedRows.end(row, last, perLine);
        int at = piece * pieceFloats() + PackedRows.at(row, perLine, depth);
        for (int panel = 0; panel < end; panel += panelFloats()) {
          int from = q(panel) + channel * QUERIES;
          int to = panel + (row - key) * QUERIES;
          int begin = piece == 0 ? 0 : to;
          TileProduct.multiply(
              packed, at, advance, work, from, depth, start, begin, step, work, to, next - row);
        }
      }
    }
  }

  /** Causal mask: a query does not see the keys after it. */
  static void hideLater(float[] work, int at, int key, int block, int query) {
    for (int j = 0; j < block; j++) {
      int hidden = Math.clamp(key + j - query, 0, QUERIES);
      int from = at + j * QUERIES;
      Arrays.fill(work, from, from + hidden, Float.NEGATIVE_INFINITY);
    }
  }

  /**
   * Turns the scores of a block into weights {@code P = 2^(S − m)}, with m the maximum so far; the
   * row after the sums receives the factor {@code 2^(m_old − m)} that corrects what was added
   * before.
   */
  private void softmax(float[] work, int panel, int block) {
    int end = panel + block * QUERIES;
    maximum(work, panel, end, max(panel), correction(panel));
    Exponential.exp(work, correction(panel), QUERIES);
    for (int half = 0; half < QUERIES; half += Lanes.COUNT) {
      int sum = sum(panel) + half;
      correct(work, sum, correction(panel) + half);
      Exponential.exp2Minus(work, panel + half, end, max(panel) + half, sum);
    }
  }

  /** {@code m = max(m_old, S)}, and {@code (m_old − m)·ln 2} where the corrections stand. */
  private static void maximum(float[] work, int from, int end, int max, int correction) {
    var p = FloatVector.fromArray(S, work, max);
    var q = FloatVector.fromArray(S, work, max + Lanes.COUNT);
    for (int i = from; i < end; i += QUERIES) {
      var score = FloatVector.fromArray(S, work, i);
      p = p.blend(score, score.compare(VectorOperators.GT, p));
      score = FloatVector.fromArray(S, work, i + Lanes.COUNT);
      q = q.blend(score, score.compare(VectorOperators.GT, q));
    }
    FloatVector.fromArray(S, work, max).sub(p).mul(Exponential.LN2).intoArray(work, correction);
    FloatVector.fromArray(S, work, max + Lanes.COUNT)
        .sub(q)
        .mul(Exponential.LN2)
        .intoArray(work, correction + Lanes.COUNT);
    p.intoArray(work, max);
    q.intoArray(work, max + Lanes.COUNT);
  }

  /** {@code sum = sum·correction}. */
  private static void correct(float[] work, int sum, int correction) {
    FloatVector.fromArray(S, work, sum)
        .mul(FloatVector.fromArray(S, work, correction))
        .intoArray(work, sum);
  }

  /** {@code Oᵀ = Oᵀ·correction}, query by query. */
  private static void correct(float[] work, int o, int size, int correction) {
    var p = FloatVector.fromArray(S, work, correction);
    var q = FloatVector.fromArray(S, work, correction + Lanes.COUNT);
    for (int i = o; i < o + size * QUERIES; i += QUERIES) {
      FloatVector.fromArray(S, work, i).mul(p).intoArray(work, i);
      FloatVector.fromArray(S, work, i + Lanes.COUNT).mul(q).intoArray(work, i + Lanes.COUNT);
    }
  }

  /** {@code Oᵀ += Vᵀ·P} for a block of keys and the panels before {@code end}. */
  private void addValues(int key, int block, Floats work, int end, Scratch buffers) {
    var packed = buffers.buffer(1, 0);
    int at = key / MicroKernel.DEPTH * size * MicroKernel.STRIDE + key % MicroKernel.DEPTH;
    int advance = MicroKernel.ROWS * MicroKernel.STRIDE;
    var start = key == 0 ? ZEROS : work;
    int step = key == 0 ? 0 : QUERIES;
    for (int panel = 0; panel < end; panel += panelFloats()) {
      int to = o(panel);
      int begin = key == 0 ? 0 : to;
      TileProduct.multiply(
          packed, at, advance, work, panel, block, start, begin, step, work, to, size);
    }
  }

  /** {@code out = (Oᵀ / sum)ᵀ}. */
  private void store(int group, int head, int query, float[] work, int o, int sum, float[] rows) {
    int step = RowBlock.padded(size);
    int count = Math.min(QUERIES, queries - query);
    for (int half = 0; half < count; half += Lanes.COUNT) {
      divide(work, o + half, sum + half, rows, step);
      Transpose.blocks(rows, step);
      for (int i = 0; i < Math.min(Lanes.COUNT, count - half); i++) {
        long row = row(group, query + half + i, queries) * outStride + (long) head * size;
        MemorySegment.copy(rows, i * step, out, Tensor.FLOAT, row * Float.BYTES, size);
      }
    }
  }

  /** {@code Oᵀ / sum} of one vector of queries, channel c of which begins row c of a block. */
  private void divide(float[] work, int o, int sum, float[] rows, int step) {
    var inverse = FloatVector.broadcast(S, 1f).div(FloatVector.fromArray(S, work, sum));
    for (int c = 0; c < size; c += Lanes.COUNT) {
      int count = Math.min(Lanes.COUNT, size - c);
      for (int j = 0; j < count; j++) {
        var values = FloatVector.fromArray(S, work, o + (c + j) * QUERIES).mul(inverse);
        values.intoArray(rows, j * step + c);
      }
    }
  }
}
