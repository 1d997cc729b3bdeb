package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * The matrix product of the linear layer in bytes: {@code out = residual + gate ⊙ activation(x·Wᵀ +
 * bias)}, x quantised with a scale for each row, W with one for each output. Sums are ints and
 * hence exact; what follows is f32.
 *
 * <p>The rows of x are quantised once, by all threads. Then each thread takes panels of the weight;
 * a chunk of rows and a piece of their inputs that stay in the second-level cache pass under each
 * of them, while the panel after it is fetched, and {@link BrainEpilogue} makes floats of the sums.
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

  /** Blocks of inputs in a piece. */
  private static final int PIECE = 48;

  /** Fewest units of work for each worker. */
  private static final int UNITS = 4;

  /** Bytes of a row of sums. */
  private static final int SUM_BYTES = WIDTH * Integer.BYTES;

  private final ThreadTeam team;
  private final BrainScratch[] scratch;
  private final PanelPacker packer;
  private final NativeBuffer quantised = new NativeBuffer();
  private final NativeBuffer scales = new NativeBuffer();
  private final BrainBias bias = new BrainBias();
  private final BrainEpilogue epilogue = new BrainEpilogue();
  private final ThreadTeam.Work quantising = this::quantise;
  private final ThreadTeam.Work multiplying = this::multiply;

  // The call that is running.
  private Tensor x;
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

  ByteGemm(ThreadTeam team) {
    this.team = team;
    scratch = new BrainScratch[team.size()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new BrainScratch();
    }
    packer = new PanelPacker(team, scratch);
  }

  ByteWeight pack(Tensor matrix) {
    return new ByteWeight(matrix, packer);
  }

  void linear(Tensor x, ByteWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    this.x = x;
    weight = w.address("linear");
    starts = w.starts();
    rows = Math.toIntExact(out.shape().rows());
    columns = out.shape().cols();
    if (rows == 0 || columns == 0) {
      return;
    }
    in = w.in();
    blocks = ByteWeight.blocks(in);
    rowBytes = BrainGemm.rowBytes(blocks);
    from = quantised.atLeast(Math.ceilDiv(rows, ROWS) * ROWS * rowBytes);
    rowScales = scales.atLeast(rows * (long) Float.BYTES);
    bias.set(e.bias(), columns);
    epilogue.set(rowScales, w.scales(), bias.address(0), e.activation(), gate, residual, out);
    // So many units of work that no worker has to wait long for the last one.
    chunk = CHUNK;
    group = ByteProduct.panelsTogether();
    int groups = Math.ceilDiv(ByteWeight.panelCount(columns), group);
    while (chunk > ROWS && Math.ceilDiv(rows, chunk) * groups < UNITS * team.size()) {
      chunk /= 2;
    }
    team.run(quantising);
    team.run(multiplying);
  }

  private void quantise(int worker, int workers) {
    long stride = (long) x.rowStride() * x.dtype().bytes();
    int units = Math.ceilDiv(rows, ROWS);
    for (int unit; (unit = team.take()) < units; ) {
      int first = unit * ROWS;
      ByteRows.quantise(
          x.dtype(),
          scratch[worker].arguments(),
          x.address() + first * stride,
          stride,
          from + first * rowBytes,
          rowBytes,
          rowScales + first * (long) Float.BYTES,
          Math.min(ROWS, rows - first),
          in,
          ByteProduct.offset());
    }
  }

  private void multiply(int worker, int workers) {
    int panels = ByteWeight.panelCount(columns);
    int groups = Math.ceilDiv(panels, group);
    int units = Math.multiplyExact(Math.ceilDiv(rows, chunk), groups);
    for (int unit; (unit = team.take()) < units; ) {
      int row = unit / groups * chunk;
      int panel = unit % groups * group;
      int count = Math.min(chunk, rows - row);
      multiply(scratch[worker], row, count, panel, Math.min(panel + group, panels));
    }
  }

  /** Some rows by some panels. */
  private void multiply(BrainScratch buffers, int row, int count, int panel, int end) {
    int rowBlocks = Math.ceilDiv(count, ROWS);
    long sumBytes = (long) rowBlocks * ROWS * SUM_BYTES;
    long panelBytes = (long) blocks * ByteWeight.BLOCK_BYTES;
    long sums = buffers.sums().atLeast(group * sumBytes);
    for (int piece = 0; piece < blocks; piece += PIECE) {
      boolean begin = piece == 0;
      int steps = Math.min(PIECE, blocks - piece);
      buffers
          .product()
          .set(BrainProduct.A, from + row * rowBytes + (long) piece * DEPTH)
          .set(BrainProduct.A_STRIDE, rowBytes)
          .set(BrainProduct.B, weight + panel * panelBytes + (long) piece * ByteWeight.BLOCK_BYTES)
          .set(BrainProduct.B_PANEL, panelBytes)
          .set(BrainProduct.START, begin ? starts + (long) panel * SUM_BYTES : sums)
          .set(BrainProduct.START_STRIDE, begin ? 0 : SUM_BYTES)
          .set(BrainProduct.START_PANEL, begin ? SUM_BYTES : sumBytes)
          .set(BrainProduct.C, sums)
          .set(BrainProduct.C_STRIDE, SUM_BYTES)
          .set(BrainProduct.C_PANEL, sumBytes)
          .set(BrainProduct.OUT, epilogue.place(row, panel * WIDTH))
          .set(BrainProduct.OUT_STRIDE, epilogue.stride())
          .set(BrainProduct.OUT_PANEL, SUM_BYTES)
          .set(BrainProduct.STEPS, steps);
      ByteProduct.multiply(buffers.product(), count, end - panel, steps);
    }
    for (int p = panel; p < end; p++) {
      long at = sums + (p - panel) * sumBytes;
      epilogue.store(buffers.arguments(), at, SUM_BYTES, row, count, p * WIDTH);
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
