package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The matrix product of the linear layer on matrix tiles: {@code out = residual + gate ⊙
 * activation(x·Wᵀ + bias)}, factors rounded to bf16, sums in f32.
 *
 * <p>The rows of x are rounded once, by all threads. Then each thread takes panels of the weight; a
 * chunk of rows that stays in the second-level cache passes under each of them, while the panel
 * after it is fetched. The sums begin with the bias. Where nothing else follows and a block is
 * whole, its tiles are stored where they belong; else {@link TileEpilogue} does it.
 *
 * <p>An element is one chain over k, the same for any number of rows and threads.
 */
final class BrainGemm implements AutoCloseable {
  /** Rows of a block: those of two tiles. */
  private static final int ROWS = 32;

  private static final int WIDTH = BrainWeight.WIDTH;

  /** Bytes of x in a chunk: half of a usual second-level cache. */
  private static final long CHUNK_BYTES = 1 << 20;

  /** Blocks of k and of rows in one call of the code, which keeps a collector waiting: 50 µs. */
  private static final int MOST_BLOCKS = 512;

  /** More rows do not make a weight pass better. */
  private static final int MOST_ROWS = 256;

  /** Between rows of rounded x, lest those of a tile fall on the same lines of the cache. */
  private static final int PADDING = 64;

  private static final ValueLayout.OfLong SLOT = ValueLayout.JAVA_LONG;

  private final ThreadTeam team;
  private final Scratch[] scratch;
  private final BrainTiles tiles = BrainTiles.open();
  private final Tensor[] slots;
  private final Tensor[] sums;
  private Tensor rounded = Tensor.allocate(DType.U8, Shape.of(0));
  private Tensor bias = Tensor.allocate(DType.F32, Shape.of(0));
  private final TileEpilogue epilogue = new TileEpilogue();
  private final ThreadTeam.Work rounding = this::round;
  private final ThreadTeam.Work multiplying = this::multiply;

  // The call that is running.
  private Tensor x;
  private Tensor out;
  private long weight;
  private int rows;
  private int columns;
  private int in;
  private int blocks;
  private long rowBytes;
  private int chunk;
  private boolean plain;

  BrainGemm(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
    slots = new Tensor[team.size()];
    sums = new Tensor[team.size()];
    for (int i = 0; i < slots.length; i++) {
      slots[i] = Tensor.allocate(DType.I64, Shape.of(BrainTiles.SLOTS));
      sums[i] = Tensor.allocate(DType.F32, Shape.of(MOST_ROWS, WIDTH));
    }
  }

  void linear(Tensor x, BrainWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    multiply(x, w, w.address("linear"), e, gate, residual, out);
  }

  /** {@code dx = dy·W}. */
  void gradient(Tensor dy, BrainWeight w, Tensor dx) {
    var transposed = w.transposed("linearGradient");
    multiply(dy, transposed, transposed.address("linearGradient"), Epilogue.NONE, null, null, dx);
  }

  private void multiply(
      Tensor x, BrainWeight w, long address, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    this.x = x;
    this.out = out;
    weight = address;
    rows = Math.toIntExact(out.shape().rows());
    columns = out.shape().cols();
    if (rows == 0 || columns == 0) {
      return;
    }
    in = w.in();
    blocks = BrainWeight.blocks(in);
    rowBytes = (long) blocks * BrainWeight.DEPTH * Short.BYTES + PADDING;
    chunk = chunk(blocks, rowBytes);
    plain = gate == null && residual == null && e.activation() == Activation.IDENTITY;
    epilogue.set(e.activation(), gate, residual, out, columns);
    setBias(e.bias());
    long bytes = Math.ceilDiv(rows, ROWS) * ROWS * rowBytes;
    if (rounded.span() < bytes) {
      rounded.close();
      rounded = Tensor.allocate(DType.U8, Shape.of(Math.toIntExact(bytes / PADDING), PADDING));
    }
    team.run(rounding);
    team.run(multiplying);
  }

  /** Rows of a chunk, whole blocks. */
  private static int chunk(int blocks, long rowBytes) {
    long fitting = Math.min(CHUNK_BYTES / rowBytes / ROWS, MOST_BLOCKS / blocks);
    return Math.clamp(fitting, 1, MOST_ROWS / ROWS) * ROWS;
  }

  private void setBias(Tensor from) {
    int padded = BrainWeight.panelCount(columns) * WIDTH;
    if (bias.dim(0) < padded) {
      bias.close();
      bias = Tensor.allocate(DType.F32, Shape.of(padded));
    }
    var to = bias.segment();
    int count = 0;
    if (from != null) {
      MemorySegment.copy(from.segment(), 0, to, 0, (long) columns * Float.BYTES);
      count = columns;
    }
    to.asSlice((long) count * Float.BYTES, (long) (padded - count) * Float.BYTES).fill((byte) 0);
  }

  private void round(int worker, int workers) {
    int from = ThreadTeam.begin(rows, worker, workers);
    int count = ThreadTeam.begin(rows, worker + 1, workers) - from;
    if (count == 0) {
      return;
    }
    int last = in - (blocks - 1) * BrainWeight.DEPTH; // numbers of the last block, 0 to 32
    long mask = (1L << last) - 1;
    var slot = slots[worker].segment();
    slot.setAtIndex(SLOT, 0, x.address() + (long) from * x.rowStride() * Float.BYTES);
    slot.setAtIndex(SLOT, 1, (long) x.rowStride() * Float.BYTES);
    slot.setAtIndex(SLOT, 2, rounded.address() + from * rowBytes);
    slot.setAtIndex(SLOT, 3, rowBytes);
    slot.setAtIndex(SLOT, 4, count);
    slot.setAtIndex(SLOT, 5, blocks - 1);
    slot.setAtIndex(SLOT, 6, mask & 0xFFFF);
    slot.setAtIndex(SLOT, 7, mask >>> 16);
    tiles.round(slot.address());
  }

  private void multiply(int worker, int workers) {
    int panels = BrainWeight.panelCount(columns);
    int rowBlocks = Math.ceilDiv(rows, ROWS);
    // Panels are shared out where there are enough of them, else blocks of rows.
    boolean byPanels = panels >= 2 * workers || panels >= rowBlocks;
    int firstPanel = byPanels ? ThreadTeam.begin(panels, worker, workers) : 0;
    int lastPanel = byPanels ? ThreadTeam.begin(panels, worker + 1, workers) : panels;
    int from = byPanels ? 0 : ThreadTeam.begin(rowBlocks, worker, workers) * ROWS;
    int to = byPanels ? rows : ThreadTeam.begin(rowBlocks, worker + 1, workers) * ROWS;
    to = Math.min(to, rows);
    float[] c = scratch[worker].floats(1, MOST_ROWS * WIDTH);
    float[] t = scratch[worker].floats(2, MOST_ROWS * WIDTH);
    for (int row = from; row < to; row += chunk) {
      int count = Math.min(chunk, to - row);
      for (int p = firstPanel; p < lastPanel; p++) {
        multiply(worker, row, count, p, c, t);
      }
    }
  }

  /** A chunk of rows by a panel. */
  private void multiply(int worker, int row, int count, int panel, float[] c, float[] t) {
    int column = panel * WIDTH;
    int direct = plain && column + WIDTH <= columns ? count / ROWS : 0;
    if (direct > 0) {
      long to = out.address() + ((long) row * out.rowStride() + column) * Float.BYTES;
      call(worker, row, panel, to, (long) out.rowStride() * Float.BYTES, direct);
    }
    int rest = count - direct * ROWS;
    if (rest > 0) {
      int first = row + direct * ROWS;
      var sum = sums[worker];
      call(worker, first, panel, sum.address(), WIDTH * Float.BYTES, Math.ceilDiv(rest, ROWS));
      MemorySegment.copy(sum.segment(), Tensor.FLOAT, 0, c, 0, rest * WIDTH);
      epilogue.activate(c, 0, rest, t);
      epilogue.store(c, 0, WIDTH, rest, first, column);
    }
  }

  private void call(int worker, int row, int panel, long to, long stride, int rowBlocks) {
    long panelBytes = (long) blocks * BrainWeight.BLOCK_BYTES;
    var slot = slots[worker].segment();
    slot.setAtIndex(SLOT, 0, rounded.address() + row * rowBytes);
    slot.setAtIndex(SLOT, 1, rowBytes);
    slot.setAtIndex(SLOT, 2, weight + panel * panelBytes);
    slot.setAtIndex(SLOT, 3, bias.address() + (long) panel * WIDTH * Float.BYTES);
    slot.setAtIndex(SLOT, 4, to);
    slot.setAtIndex(SLOT, 5, stride);
    slot.setAtIndex(SLOT, 6, blocks);
    slot.setAtIndex(SLOT, 7, rowBlocks);
    slot.setAtIndex(SLOT, 8, weight + (panel + 1) * panelBytes);
    tiles.multiply(slot.address());
  }

  @Override
  public void close() {
    for (int i = 0; i < slots.length; i++) {
      slots[i].close();
      sums[i].close();
    }
    rounded.close();
    bias.close();
  }
}
