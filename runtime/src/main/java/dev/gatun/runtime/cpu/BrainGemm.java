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
 * chunk of rows and a piece of their inputs that stay in the second-level cache pass under each of
 * them, while the panel after it is fetched. The sums begin with the bias. Where nothing else
 * follows and a block is whole, its tiles are stored where they belong; else {@link TileEpilogue}
 * does it.
 *
 * <p>An element is one chain over k, the same for any number of rows and threads.
 */
final class BrainGemm implements AutoCloseable {
  /** Rows of a block: those of two tiles. */
  private static final int ROWS = 32;

  private static final int WIDTH = BrainWeight.WIDTH;

  /**
   * Rows of a chunk: with the inputs of a piece they stay in the second-level cache, and one call
   * of the code, which keeps a collector waiting, takes some 20 µs.
   */
  private static final int CHUNK = 256;

  /** Blocks of inputs in a piece. */
  private static final int PIECE = 48;

  /** Panels whose sums are kept while the pieces go by. */
  private static final int GROUP = 16;

  /** Bytes of a row of x in a block. */
  private static final int ROW_BYTES = BrainWeight.DEPTH * Short.BYTES;

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
  private boolean plain;

  BrainGemm(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
    slots = new Tensor[team.size()];
    sums = new Tensor[team.size()];
    for (int i = 0; i < slots.length; i++) {
      slots[i] = Tensor.allocate(DType.I64, Shape.of(BrainTiles.SLOTS));
      sums[i] = Tensor.allocate(DType.F32, Shape.of(GROUP * CHUNK, WIDTH));
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
    for (int row = from; row < to; row += CHUNK) {
      int count = Math.min(CHUNK, to - row);
      for (int panel = firstPanel; panel < lastPanel; panel += GROUP) {
        int end = Math.min(lastPanel, panel + GROUP);
        for (int piece = 0; piece < blocks; piece += PIECE) {
          for (int p = panel; p < end; p++) {
            multiply(worker, row, count, p, p - panel, piece);
          }
        }
      }
    }
  }

  /**
   * A chunk of rows by a piece of a panel; the last piece is stored.
   *
   * @param place of the panel's sums among those of its group
   */
  private void multiply(int worker, int row, int count, int panel, int place, int piece) {
    int column = panel * WIDTH;
    int direct = plain && column + WIDTH <= columns ? count / ROWS : 0;
    if (direct > 0) {
      long to = out.address() + ((long) row * out.rowStride() + column) * Float.BYTES;
      call(worker, row, panel, piece, to, (long) out.rowStride() * Float.BYTES, direct);
    }
    int rest = count - direct * ROWS;
    if (rest > 0) {
      int first = row + direct * ROWS;
      long at = (long) place * CHUNK * WIDTH * Float.BYTES;
      long to = sums[worker].address() + at;
      call(worker, first, panel, piece, to, WIDTH * Float.BYTES, Math.ceilDiv(rest, ROWS));
      if (piece + PIECE >= blocks) {
        store(worker, at, first, rest, column);
      }
    }
  }

  private void store(int worker, long at, int row, int count, int column) {
    float[] c = scratch[worker].floats(1, ROWS * WIDTH);
    float[] t = scratch[worker].floats(2, ROWS * WIDTH);
    for (int r = 0; r < count; r += ROWS) {
      int height = Math.min(ROWS, count - r);
      long from = at + (long) r * WIDTH * Float.BYTES;
      MemorySegment.copy(sums[worker].segment(), Tensor.FLOAT, from, c, 0, height * WIDTH);
      epilogue.activate(c, 0, height, t);
      epilogue.store(c, 0, WIDTH, height, row + r, column);
    }
  }

  private void call(
      int worker, int row, int panel, int piece, long to, long stride, int rowBlocks) {
    long panelBytes = (long) blocks * BrainWeight.BLOCK_BYTES;
    long b = weight + panel * panelBytes + (long) piece * BrainWeight.BLOCK_BYTES;
    boolean first = piece == 0;
    var slot = slots[worker].segment();
    slot.setAtIndex(SLOT, 0, rounded.address() + row * rowBytes + (long) piece * ROW_BYTES);
    slot.setAtIndex(SLOT, 1, rowBytes);
    slot.setAtIndex(SLOT, 2, b);
    slot.setAtIndex(SLOT, 3, first ? bias.address() + (long) panel * WIDTH * Float.BYTES : to);
    slot.setAtIndex(SLOT, 4, first ? 0 : stride);
    slot.setAtIndex(SLOT, 5, to);
    slot.setAtIndex(SLOT, 6, stride);
    slot.setAtIndex(SLOT, 7, Math.min(PIECE, blocks - piece));
    slot.setAtIndex(SLOT, 8, rowBlocks);
    slot.setAtIndex(SLOT, 9, b + panelBytes);
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
