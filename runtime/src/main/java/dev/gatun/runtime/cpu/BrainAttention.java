package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;

/**
 * Attention in bf16: {@code out = softmax(q·kᵀ·scale + bias)·v} for each head, with q, k, v and the
 * weights of the softmax rounded to bf16, sums and the softmax itself in f32.
 *
 * <p>Tokens attend to each other in groups: the windows of a sample, or all of it. A relative bias
 * is what the sums of the scores begin with.
 *
 * <p>For a head, k and v are laid out as the right operands of the two products. Then some rows of
 * queries at a time have all of their scores made, turned into weights in place, and multiplied by
 * v. A row's scores are complete before its softmax begins, so nothing has to be corrected later;
 * the L×L matrix never exists.
 *
 * <p>What a causal mask hides has the weight 0; as in the other backend, a value that is no number
 * is none for neighbouring queries that do not see it, either.
 *
 * <p>A query's result does not depend on its neighbours, so batch and threads change no bit.
 */
final class BrainAttention implements ThreadTeam.Work {
  private static final int ROWS = BrainProduct.ROWS;
  private static final int KEYS = BrainWeight.WIDTH;
  private static final int LINE = 64;

  /** Most floats of scores that are held, if it is not a single block of queries. */
  private static final int SCORES = 1 << 15;

  /** Fewest units of work for each worker. */
  private static final int UNITS = 4;

  private final BrainRelativeBias bias = new BrainRelativeBias();
  private final ThreadTeam team;
  private final BrainScratch[] scratch;

  // The call that is running.
  private Tensor q;
  private Tensor k;
  private Tensor v;
  private Tensor out;
  private AttentionSpec.Windows windows;
  private boolean biased;
  private int groups;
  private int heads;
  private int size;
  private int queries;
  private int keys;
  private float factor;
  private boolean causal;

  // Blocks of 32: channels of a head, keys; and blocks of queries that go together.
  private int channelBlocks;
  private int keyBlocks;
  private int together;

  BrainAttention(ThreadTeam team, BrainScratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  /** Whether this is an attention of the kind that is computed here. */
  static boolean takes(Tensor q, Tensor k, AttentionSpec spec) {
    return k.dim(1) > 0 && q.dim(2) > 0 && spec.scale() > 0;
  }

  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    this.q = q;
    this.k = k;
    this.v = v;
    this.out = out;
    windows = spec.windows();
    int perSample = windows == null ? 1 : windows.count();
    groups = Math.multiplyExact(q.dim(0), perSample);
    heads = spec.heads();
    size = q.dim(2) / heads;
    queries = q.dim(1) / perSample;
    keys = k.dim(1) / perSample;
    factor = spec.scale() * Exponential.LOG2_E;
    causal = spec.causal();
    biased = spec.relativeBias() != null;
    if (biased) {
      bias.set(spec, 1 / spec.scale()); // the softmax multiplies by the scale
    }
    channelBlocks = Math.ceilDiv(size, BrainWeight.DEPTH);
    keyBlocks = Math.ceilDiv(keys, KEYS);
    int fitting = Math.max(1, SCORES / (keyBlocks * KEYS * ROWS));
    together = Math.min(fitting, Math.ceilDiv(queries, ROWS));
    team.run(this);
  }

  @Override
  public void run(int worker, int workers) {
    int step = together * ROWS;
    int perHead = Math.ceilDiv(queries, step);
    int pairs = Math.multiplyExact(groups, heads);
    // A head's keys are laid out by whoever works on it: all of it, where there are enough heads.
    int parts = workers == 1 ? 1 : Math.ceilDiv(UNITS * workers, pairs);
    int perUnit = Math.ceilDiv(perHead, Math.min(parts, perHead));
    int unitsOfHead = Math.ceilDiv(perHead, perUnit);
    int units = Math.multiplyExact(pairs, unitsOfHead);
    int packed = -1;
    for (int unit; (unit = team.take()) < units; ) {
      int pair = unit / unitsOfHead;
      if (pair != packed) {
        packKeys(scratch[worker], pair / heads, pair % heads);
        packValues(scratch[worker], pair / heads, pair % heads);
        packed = pair;
      }
      int first = unit % unitsOfHead * perUnit;
      for (int i = first; i < Math.min(perHead, first + perUnit); i++) {
        int query = i * step;
        attend(scratch[worker], pair / heads, pair % heads, query, Math.min(step, queries - query));
      }
    }
  }

  /** Rows of the blocks that so many take. */
  private static int wholeBlocks(int count) {
    return Math.ceilDiv(count, ROWS) * ROWS;
  }

  /** Bytes of a token's channels of one head, rounded. */
  private long rowBytes() {
    return BrainGemm.rowBytes(channelBlocks);
  }

  /** Bytes of a block of keys as the right operand of a product. */
  private long keyPanelBytes() {
    return (long) channelBlocks * BrainWeight.BLOCK_BYTES;
  }

  /** Bytes of 32 channels of all keys as the right operand of a product. */
  private long valuePanelBytes() {
    return (long) keyBlocks * BrainWeight.BLOCK_BYTES;
  }

  /** Bytes of a row of scores, an odd number of lines: see {@link BrainGemm#rowBytes}. */
  private long scoreBytes() {
    return (long) keyBlocks * KEYS * Float.BYTES + LINE;
  }

  private long resultBytes() {
    return (long) channelBlocks * LINE * 2;
  }

  private void packKeys(BrainScratch buffers, int group, int head) {
    long rows = roundKeys(buffers, k, group, head);
    long to = buffers.keys().atLeast(keyBlocks * keyPanelBytes());
    for (int block = 0; block < keyBlocks; block++) {
      long from = rows + (long) block * KEYS * rowBytes();
      BrainRows.transpose(
          buffers.arguments(), from, rowBytes(), to + block * keyPanelBytes(), channelBlocks);
    }
  }

  private void packValues(BrainScratch buffers, int group, int head) {
    long rows = roundKeys(buffers, v, group, head);
    long to = buffers.values().atLeast(channelBlocks * valuePanelBytes());
    for (int block = 0; block < channelBlocks; block++) {
      long from = rows + (long) block * LINE;
      BrainRows.pair(
          buffers.arguments(), from, rowBytes(), to + block * valuePanelBytes(), keyBlocks);
    }
  }

  /** The channels of one head of all keys, in whole blocks. */
  private long roundKeys(BrainScratch buffers, Tensor of, int group, int head) {
    long bytes = (long) keyBlocks * KEYS * rowBytes();
    long to = buffers.staging().atLeast(bytes);
    round(buffers, of, group, keys, head, 0, keys, to);
    long used = keys * rowBytes();
    buffers.staging().segment().asSlice(used, bytes - used).fill((byte) 0);
    return to;
  }

  /**
   * @param tokens of a group
   * @param token the first one
   */
  private void round(
      BrainScratch buffers,
      Tensor of,
      int group,
      int tokens,
      int head,
      int token,
      int count,
      long to) {
    int column = head * size;
    for (int i = 0, run; i < count; i += run) {
      run = consecutive(token + i, count - i);
      long row = row(group, token + i, tokens);
      long at = to + i * rowBytes();
      BrainRows.toBlocks(buffers.arguments(), of, row, column, at, rowBytes(), run, size);
    }
  }

  /** The row of a token of a group. */
  private long row(int group, int token, int tokens) {
    return windows == null ? (long) group * tokens + token : windows.row(group, token);
  }

  /** How many tokens from one on lie in consecutive rows. */
  private int consecutive(int token, int most) {
    return windows == null ? most : Math.min(most, windows.side() - token % windows.side());
  }

  /** Some queries of one head. */
  private void attend(BrainScratch buffers, int group, int head, int query, int count) {
    int rows = wholeBlocks(count);
    long rounded = buffers.queries().atLeast(rows * rowBytes());
    round(buffers, q, group, queries, head, query, count, rounded);
    long scores = buffers.scores().atLeast(rows * scoreBytes());
    long inverses = buffers.inverses().atLeast(rows * (long) Float.BYTES);
    // A causal mask hides whole blocks of keys from all of these queries.
    int visible = causal ? Math.min(keys, query + count) : keys;
    begin(buffers, head, query, count);
    score(buffers, rounded, scores, count, Math.ceilDiv(visible, KEYS));
    BrainSoftmax.softmax(
        buffers.arguments(),
        scores,
        scoreBytes(),
        count,
        causal ? Math.min(keys, query + 1) : keys,
        causal ? 1 : 0,
        keys,
        keyBlocks,
        factor,
        inverses);
    addValues(buffers, scores, count, Math.ceilDiv(visible, KEYS));
    store(buffers, group, head, query, count, inverses);
  }

  private void store(
      BrainScratch buffers, int group, int head, int query, int count, long inverses) {
    for (int i = 0, run; i < count; i += run) {
      run = consecutive(query + i, count - i);
      BrainSoftmax.scale(
          buffers.arguments(),
          buffers.sums().atLeast(0) + i * resultBytes(),
          resultBytes(),
          out,
          row(group, query + i, queries),
          head * size,
          run,
          size,
          inverses + i * (long) Float.BYTES);
    }
  }

  /** What the scores begin with. */
  private void begin(BrainScratch buffers, int head, int query, int count) {
    if (!biased) {
      beginWithZeros(buffers);
      return;
    }
    long stride = (long) keyBlocks * KEYS * Float.BYTES;
    long start = buffers.bias().atLeast(wholeBlocks(count) * stride);
    float[] row = buffers.floats(keys);
    bias.write(head, query, count, row, buffers.bias().segment(), stride);
    buffers
        .product()
        .set(BrainProduct.START, start)
        .set(BrainProduct.START_STRIDE, stride)
        .set(BrainProduct.START_PANEL, 2 * LINE);
  }

  /** {@code S = Q·Kᵀ}. */
  private void score(BrainScratch buffers, long rounded, long scores, int count, int panels) {
    buffers
        .product()
        .set(BrainProduct.A, rounded)
        .set(BrainProduct.A_STRIDE, rowBytes())
        .set(BrainProduct.B, buffers.keys().atLeast(0))
        .set(BrainProduct.B_PANEL, keyPanelBytes())
        .set(BrainProduct.C, scores)
        .set(BrainProduct.C_STRIDE, scoreBytes())
        .set(BrainProduct.C_PANEL, 2 * LINE)
        .set(BrainProduct.STEPS, channelBlocks);
    if (biased) {
      BrainProduct.multiply(buffers.product(), count, panels, channelBlocks);
    } else {
      BrainProduct.multiplyNear(buffers.product(), count, panels, channelBlocks);
    }
  }

  /** {@code O = P·V}. */
  private void addValues(BrainScratch buffers, long weights, int count, int visibleBlocks) {
    buffers
        .product()
        .set(BrainProduct.A, weights)
        .set(BrainProduct.A_STRIDE, scoreBytes())
        .set(BrainProduct.B, buffers.values().atLeast(0))
        .set(BrainProduct.B_PANEL, valuePanelBytes())
        .set(BrainProduct.C, buffers.sums().atLeast(wholeBlocks(count) * resultBytes()))
        .set(BrainProduct.C_STRIDE, resultBytes())
        .set(BrainProduct.C_PANEL, 2 * LINE)
        .set(BrainProduct.STEPS, visibleBlocks);
    beginWithZeros(buffers);
    BrainProduct.multiplyNear(buffers.product(), count, channelBlocks, visibleBlocks);
  }

  private static void beginWithZeros(BrainScratch buffers) {
    buffers
        .product()
        .set(BrainProduct.START, buffers.zeros())
        .set(BrainProduct.START_STRIDE, 0)
        .set(BrainProduct.START_PANEL, 0);
  }
}
