package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.ByteProduct.Unit;

/**
 * The matrix product of the linear layer in bytes: {@code out = residual + gate ⊙ activation(x·Wᵀ +
 * bias)}, x quantised with a scale for each row, W with one for each output. Sums are ints and
 * hence exact; what follows is f32.
 *
 * <p>The rows of x are quantised once, by all threads. Then each thread takes panels of the weight;
 * a chunk of rows and a piece of their inputs that stay in the second-level cache pass under each
 * of them, while the panel after it is fetched, and floats are made of the sums: by {@link
 * BrainEpilogue} or, on a narrow unit, by {@link ByteLanes}.
 */
final class ByteGemm implements AutoCloseable {
  private static final int ROWS = BrainProduct.ROWS;
  private static final int WIDTH = ByteWeight.WIDTH;
  private static final int DEPTH = ByteWeight.DEPTH;

  /**
   * Most rows of a chunk: with the inputs of a piece they stay in the second-level cache, and one
   * call of the code, which keeps a collector waiting, takes some 20 µs.
   */
  private static final int CHUNK = 256;

  /** Bytes of a row of A in a piece. */
  private static final int PIECE = 3072;

  /** Rows on a narrow unit, where blocks of rows are six high. */
  private static final int NARROW_CHUNK = 192;

  /** Fewest units of work for each worker. */
  private static final int UNITS = 4;

  /**
   * Panels whose sums are best made before floats are made of them: few, so that they and the lines
   * of the result, which the product fetches, are still near. Tiles fetch the next panel meanwhile;
   * on vectors there is nothing to be gained.
   */
  private static final int TOGETHER = 4;

  /** Bytes of a row of sums. */
  private static final int SUM_BYTES = WIDTH * Integer.BYTES;

  private final Unit unit;

  /** Blocks of inputs in a piece. */
  private final int pieceBlocks;

  private final ThreadTeam team;
  private final Scratch[] arrays;
  private final BrainScratch[] scratch;
  private final PanelPacker packer;
  private final NativeBuffer quantised = new NativeBuffer();
  private final NativeBuffer scales = new NativeBuffer();
  private final BrainBias bias = new BrainBias();

  /** Null on a narrow unit. */
  private final BrainEpilogue epilogue;

  /** Null on another. */
  private final ByteLanes lanes;

  private final ThreadTeam.Work quantising = this::quantise;
  private final ThreadTeam.Work multiplying = this::multiply;

  // The call that is running.
  private Tensor x;
  private Tensor out;
  private long weight;
  private long starts;
  private int rows;
  private int columns;
  private int in;
  private int blocks;
  private long rowBytes;
  private long from;
  private long rowScales;
  private int chunk; // rows of a unit of work
  private int group; // panels of it

  /**
   * A product for a team.
   *
   * @param unit that is there, usually {@link ByteProduct#unit}
   */
  ByteGemm(ThreadTeam team, Scratch[] arrays, Unit unit) {
    this.team = team;
    this.unit = unit;
    pieceBlocks = PIECE / (DEPTH * unit.factorBytes());
    epilogue = unit.isNarrow() ? null : new BrainEpilogue();
    lanes = unit.isNarrow() ? new ByteLanes() : null;
    this.arrays = arrays;
    scratch = new BrainScratch[team.size()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new BrainScratch();
    }
    packer = new PanelPacker(team, scratch);
  }

  /** Whether not all of it is machine code. */
  boolean needsCompiler() {
    return unit.isNarrow();
  }

  ByteWeight pack(Tensor matrix) {
    return new ByteWeight(matrix, packer, unit);
  }

  void linear(Tensor x, ByteWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    this.x = x;
    this.out = out;
    weight = w.address("linear");
    starts = w.starts().address();
    rows = Math.toIntExact(out.shape().rows());
    columns = out.shape().cols();
    if (rows == 0 || columns == 0) {
      return;
    }
    in = w.in();
    blocks = ByteWeight.blocks(in);
    rowBytes = BrainGemm.rowBytes(blocks * unit.factorBytes());
    from = quantised.atLeast(Math.ceilDiv(rows, ROWS) * ROWS * rowBytes);
    rowScales = scales.atLeast(rows * (long) Float.BYTES);
    bias.set(e.bias(), columns);
    if (lanes != null) {
      lanes.set(w.scales(), bias.segment(), e.activation(), gate, residual, out);
    } else {
      long columnScales = w.scales().address();
      epilogue.set(rowScales, columnScales, bias.address(0), e.activation(), gate, residual, out);
    }
    // So many units of work that no worker has to wait long for the last one.
    chunk = unit.isNarrow() ? NARROW_CHUNK / unit.factorBytes() : CHUNK;
    group = unit == Unit.TILES ? TOGETHER : 1;
    int groups = Math.ceilDiv(ByteWeight.panelCount(columns), group);
    while (chunk > ROWS && Math.ceilDiv(rows, chunk) * groups < UNITS * team.size()) {
      chunk /= 2;
    }
    team.run(quantising);
    team.run(multiplying);
  }

  private void quantise(int worker, int workers) {
    int units = Math.ceilDiv(rows, ROWS);
    for (int block; (block = team.take()) < units; ) {
      int first = block * ROWS;
      int count = Math.min(ROWS, rows - first);
      if (lanes != null) {
        quantise(arrays[worker], first, count);
      } else {
        long stride = (long) x.rowStride() * x.dtype().bytes();
        ByteRows.quantise(
            x.dtype(),
            scratch[worker].arguments(),
            x.address() + first * stride,
            stride,
            from + first * rowBytes,
            rowBytes,
            rowScales + first * (long) Float.BYTES,
            count,
            in,
            unit.offset());
      }
    }
  }

  private void quantise(Scratch buffers, int first, int count) {
    int length = blocks * DEPTH;
    float[] row = buffers.floats(0, length);
    var to = quantised.segment();
    for (int r = first; r < first + count; r++) {
      ByteLanes.copy(x.segment(), (long) r * x.rowStride(), in, row, length);
      float scale =
          unit == Unit.PAIRS
              ? ByteLanes.shorts(row, length, to, r * rowBytes)
              : ByteLanes.bytes(row, length, unit.offset(), to, r * rowBytes);
      scales.segment().setAtIndex(Tensor.FLOAT, r, scale);
    }
  }

  private void multiply(int worker, int workers) {
    int panels = ByteWeight.panelCount(columns);
    int groups = Math.ceilDiv(panels, group);
    int units = Math.multiplyExact(Math.ceilDiv(rows, chunk), groups);
    for (int part; (part = team.take()) < units; ) {
      int row = part / groups * chunk;
      int panel = part % groups * group;
      int count = Math.min(chunk, rows - row);
      multiply(worker, row, count, panel, Math.min(panel + group, panels));
    }
  }

  /** Some rows by some panels. */
  private void multiply(int worker, int row, int count, int panel, int end) {
    var buffers = scratch[worker];
    int rowBlocks = Math.ceilDiv(count, ROWS);
    long sumBytes = (long) rowBlocks * ROWS * SUM_BYTES;
    long panelBytes = (long) blocks * ByteWeight.BLOCK_BYTES;
    long sums = buffers.sums().atLeast(group * sumBytes);
    long outStride = (long) out.rowStride() * out.dtype().bytes();
    int outBytes = WIDTH * out.dtype().bytes();
    for (int piece = 0; piece < blocks; piece += pieceBlocks) {
      boolean begin = piece == 0;
      int steps = Math.min(pieceBlocks, blocks - piece);
      buffers
          .product()
          .set(BrainProduct.A, from + row * rowBytes + (long) piece * DEPTH * unit.factorBytes())
          .set(BrainProduct.A_STRIDE, rowBytes)
          .set(BrainProduct.B, weight + panel * panelBytes + (long) piece * ByteWeight.BLOCK_BYTES)
          .set(BrainProduct.B_PANEL, panelBytes)
          .set(BrainProduct.START, begin ? starts + (long) panel * SUM_BYTES : sums)
          .set(BrainProduct.START_STRIDE, begin ? 0 : SUM_BYTES)
          .set(BrainProduct.START_PANEL, begin ? SUM_BYTES : sumBytes)
          .set(BrainProduct.C, sums)
          .set(BrainProduct.C_STRIDE, SUM_BYTES)
          .set(BrainProduct.C_PANEL, sumBytes)
          .set(BrainProduct.OUT, out.address() + row * outStride + (long) panel * outBytes)
          .set(BrainProduct.OUT_STRIDE, outStride)
          .set(BrainProduct.OUT_PANEL, outBytes)
          .set(BrainProduct.STEPS, steps);
      unit.multiply(buffers.product(), count, end - panel, steps);
    }
    for (int p = panel; p < end; p++) {
      long at = (p - panel) * sumBytes;
      if (lanes != null) {
        lanes.store(
            arrays[worker], buffers.sums().segment(), at, scales.segment(), row, count, p * WIDTH);
      } else {
        epilogue.store(buffers.arguments(), sums + at, SUM_BYTES, row, count, p * WIDTH);
      }
    }
  }

  @Override
  public void close() {
    quantised.close();
    scales.close();
    bias.close();
    for (var buffers : scratch) {
      buffers.close();
    }
  }
}
