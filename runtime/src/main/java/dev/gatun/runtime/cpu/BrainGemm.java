package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The matrix product of the linear layer in bf16: {@code out = residual + gate ⊙ activation(x·Wᵀ +
 * bias)}, factors rounded to bf16, sums in f32.
 *
 * <p>The rows of x are rounded once, by all threads, unless they are whole tiles of bf16. Then each
 * thread takes panels of the weight; a chunk of rows and a piece of their inputs that stay in the
 * second-level cache pass under each of them, while the panel after it is fetched. The sums begin
 * with the bias. Where nothing else follows and a block is whole, its tiles are stored where they
 * belong; else {@link BrainEpilogue} does it.
 *
 * <p>An element is one chain over k, the same for any number of rows and threads.
 */
final class BrainGemm implements AutoCloseable {
  private static final int ROWS = BrainProduct.ROWS;
  private static final int WIDTH = BrainWeight.WIDTH;

  /** Blocks of inputs in a piece. */
  private static final int PIECE = 48;

  /** Most panels whose sums are kept while the pieces go by. */
  private static final int GROUP = 16;

  /** Fewest units of work for each worker. */
  private static final int UNITS = 4;

  /** Bytes of a row of x in a block. */
  private static final int ROW_BYTES = BrainWeight.DEPTH * Short.BYTES;

  /** Bytes of a row of sums. */
  private static final int SUM_BYTES = WIDTH * Float.BYTES;

  /**
   * Most rows of a chunk: with the inputs of a piece they leave room for some panels in the
   * second-level cache, and one call of the code, which keeps a collector waiting, takes some 20
   * µs.
   */
  private static final int CHUNK =
      Math.clamp(Caches.L2 / 8 * 3 / (PIECE * ROW_BYTES) / ROWS, 1, 8) * ROWS;

  private final ThreadTeam team;
  private final BrainScratch[] scratch;
  private final NativeBuffer rounded = new NativeBuffer();
  private final BrainBias bias = new BrainBias();
  private final BrainEpilogue epilogue = new BrainEpilogue();
  private final ThreadTeam.Work rounding = this::round;
  private final ThreadTeam.Work multiplying = this::multiply;

  // The call that is running.
  private Tensor x;
  private Gemm.Rows source;
  private long weight;
  private int rows;
  private int columns;
  private int in;
  private int blocks;
  private long rowBytes;
  private long from;
  private int chunk; // rows of a unit of work
  private int group; // panels of it

  BrainGemm(ThreadTeam team, BrainScratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void linear(Tensor x, BrainWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    this.x = x;
    multiply(w, w.address("linear"), e, gate, residual, out);
  }

  /** {@code dx = dy·W}. */
  void gradient(Tensor dy, BrainWeight w, Tensor dx) {
    linear(dy, w.transposed("linearGradient"), Epilogue.NONE, null, null, dx);
  }

  /**
   * The product of rows that do not exist as a whole.
   *
   * @param operator who asks, for the message if the weight is closed
   */
  void multiply(
      String operator, Gemm.Rows source, BrainWeight w, Epilogue e, Tensor residual, Tensor out) {
    x = null;
    this.source = source;
    multiply(w, w.address(operator), e, null, residual, out);
  }

  private void multiply(
      BrainWeight w, long address, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    weight = address;
    rows = Math.toIntExact(out.shape().rows());
    columns = out.shape().cols();
    if (rows == 0 || columns == 0) {
      return;
    }
    in = w.in();
    blocks = BrainWeight.blocks(in);
    epilogue.set(e.activation(), gate, residual, out);
    bias.set(e.bias(), columns);
    if (isReady()) {
      rowBytes = (long) x.rowStride() * Short.BYTES;
      from = x.address();
    } else {
      rowBytes = rowBytes(blocks);
      from = rounded.atLeast(Math.ceilDiv(rows, ROWS) * ROWS * rowBytes);
      team.run(rounding);
    }
    divide();
    team.run(multiplying);
  }

  /** Whether x can be multiplied where it lies: whole blocks of inputs, and of rows for tiles. */
  private boolean isReady() {
    return x != null
        && x.dtype() == DType.BF16
        && (rows % ROWS == 0 || !BrainProduct.onTiles())
        && in > 0
        && in % BrainWeight.DEPTH == 0;
  }

  /**
   * Bytes from a row of so many rounded blocks to the next: some more than they take, where the
   * rows of a tile would else fall on the same lines of the first-level cache.
   */
  static long rowBytes(int blocks) {
    return (long) (blocks % 4 == 0 ? blocks + 1 : blocks) * ROW_BYTES;
  }

  private void round(int worker, int workers) {
    int units = Math.ceilDiv(rows, ROWS);
    for (int unit; (unit = team.take()) < units; ) {
      int first = unit * ROWS;
      int count = Math.min(ROWS, rows - first);
      if (x == null) {
        roundSource(scratch[worker], first, count);
      } else {
        long to = from + first * rowBytes;
        BrainRows.toBlocks(scratch[worker].arguments(), x, first, 0, to, rowBytes, count, in);
      }
    }
  }

  /** Rows that come in pieces of floats. */
  private void roundSource(BrainScratch buffers, int first, int count) {
    int stride = MicroKernel.STRIDE;
    float[] floats = buffers.floats(ROWS * stride);
    long bytes = stride * (long) Float.BYTES;
    long copy = buffers.staging().atLeast(ROWS * bytes);
    int k = 0;
    do {
      int depth = Math.min(MicroKernel.DEPTH, in - k);
      source.copy(first, count, k, depth, floats, 0);
      MemorySegment.copy(floats, 0, buffers.staging().segment(), Tensor.FLOAT, 0, count * stride);
      long to = from + first * rowBytes + k * (long) Short.BYTES;
      var a = buffers.arguments();
      BrainRows.toBlocks(DType.F32, a, copy, bytes, to, rowBytes, count, depth);
      k += MicroKernel.DEPTH;
    } while (k < in);
  }

  /** Cuts the product into so many units that no worker has to wait long for the last one. */
  private void divide() {
    int panels = BrainWeight.panelCount(columns);
    int enough = team.size() == 1 ? 1 : UNITS * team.size();
    chunk = CHUNK;
    group = GROUP;
    while (group > 1 && Math.ceilDiv(rows, chunk) * Math.ceilDiv(panels, group) < enough) {
      group /= 2;
    }
    while (chunk > ROWS && Math.ceilDiv(rows, chunk) * panels < enough) {
      chunk /= 2;
    }
  }

  private void multiply(int worker, int workers) {
    int panels = BrainWeight.panelCount(columns);
    int groups = Math.ceilDiv(panels, group);
    int units = Math.multiplyExact(Math.ceilDiv(rows, chunk), groups);
    for (int unit; (unit = team.take()) < units; ) {
      int row = unit / groups * chunk;
      int count = Math.min(chunk, rows - row);
      int panel = unit % groups * group;
      int end = Math.min(panels, panel + group);
      int plain = epilogue.plainPanels(panel, end);
      int direct = count / ROWS * ROWS;
      multiplyDirectly(scratch[worker], row, direct, panel, plain);
      multiply(scratch[worker], row + direct, count - direct, panel, plain);
      multiply(scratch[worker], row, count, plain, end);
    }
  }

  /** Whole blocks of rows by some panels, whose sums are the result. */
  private void multiplyDirectly(BrainScratch buffers, int row, int count, int panel, int end) {
    long to = epilogue.place(row, panel * WIDTH);
    for (int piece = 0; piece < blocks && count > 0 && panel < end; piece += PIECE) {
      call(buffers, row, panel, end, piece, to, epilogue.stride(), SUM_BYTES, count);
    }
  }

  /** Some rows by some panels. */
  private void multiply(BrainScratch buffers, int row, int count, int panel, int end) {
    if (count == 0 || panel == end) {
      return;
    }
    int rowBlocks = Math.ceilDiv(count, ROWS);
    long panelBytes = (long) rowBlocks * ROWS * SUM_BYTES;
    long sums = buffers.sums().atLeast(GROUP * panelBytes);
    for (int piece = 0; piece < blocks; piece += PIECE) {
      call(buffers, row, panel, end, piece, sums, SUM_BYTES, panelBytes, count);
    }
    for (int p = panel; p < end; p++) {
      long at = sums + (p - panel) * panelBytes;
      epilogue.store(buffers.arguments(), at, SUM_BYTES, row, count, p * WIDTH);
    }
  }

  private void call(
      BrainScratch buffers,
      int row,
      int panel,
      int end,
      int piece,
      long to,
      long stride,
      long toPanel,
      int count) {
    long panelBytes = (long) blocks * BrainWeight.BLOCK_BYTES;
    boolean first = piece == 0;
    int steps = Math.min(PIECE, blocks - piece);
    buffers
        .product()
        .set(BrainProduct.A, from + row * rowBytes + (long) piece * ROW_BYTES)
        .set(BrainProduct.A_STRIDE, rowBytes)
        .set(BrainProduct.B, weight + panel * panelBytes + (long) piece * BrainWeight.BLOCK_BYTES)
        .set(BrainProduct.B_PANEL, panelBytes)
        .set(BrainProduct.START, first ? bias.address(panel) : to)
        .set(BrainProduct.START_STRIDE, first ? 0 : stride)
        .set(BrainProduct.START_PANEL, first ? SUM_BYTES : toPanel)
        .set(BrainProduct.C, to)
        .set(BrainProduct.C_STRIDE, stride)
        .set(BrainProduct.C_PANEL, toPanel)
        .set(BrainProduct.STEPS, steps);
    BrainProduct.multiply(buffers.product(), count, end - panel, steps);
  }

  @Override
  public void close() {
    rounded.close();
    bias.close();
  }
}
