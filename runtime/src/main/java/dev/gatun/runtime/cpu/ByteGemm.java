package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * The matrix product of the linear layer in signed bytes on matrix tiles: {@code out = residual +
 * gate ⊙ activation(x·Wᵀ + bias)}, x quantised with a scale for each row, W with one for each
 * output. Sums are ints and hence exact; what follows is f32.
 *
 * <p>The rows of x are quantised once, by all threads. Then each thread takes panels of the weight;
 * a chunk of rows and a piece of their inputs that stay in the second-level cache pass under each
 * of them, while the panel after it is fetched, and {@link BrainEpilogue} makes floats of the sums.
 */
final class ByteGemm implements AutoCloseable {
  private static final int ROWS = BrainTiles.ROWS;
  private static final int WIDTH = ByteWeight.WIDTH;
  private static final int DEPTH = ByteWeight.DEPTH;

  /**
   * Rows of a chunk: with the inputs of a piece they stay in the second-level cache, and one call
   * of the code, which keeps a collector waiting, takes some 20 µs.
   */
  private static final int CHUNK = 256;

  /** Blocks of inputs in a piece. */
  private static final int PIECE = 48;

  /**
   * Panels whose sums are kept while the pieces go by: few, so that they and the lines of the
   * result, which the product fetches, are still near when floats are made of them.
   */
  private static final int GROUP = 4;

  /** Bytes of a row of sums. */
  private static final int SUM_BYTES = WIDTH * Integer.BYTES;

  private final ThreadTeam team;
  private final BrainScratch[] scratch;
  private final NativeBuffer quantised = new NativeBuffer();
  private final NativeBuffer scales = new NativeBuffer();
  private final BrainBias bias = new BrainBias();
  private final BrainEpilogue epilogue = new BrainEpilogue();
  private final ThreadTeam.Work quantising = this::quantise;
  private final ThreadTeam.Work multiplying = this::multiply;

  // The call that is running.
  private Tensor x;
  private long weight;
  private int rows;
  private int columns;
  private int in;
  private int blocks;
  private long rowBytes;
  private long from;
  private long rowScales;

  ByteGemm(ThreadTeam team) {
    this.team = team;
    scratch = new BrainScratch[team.size()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new BrainScratch();
    }
  }

  void linear(Tensor x, ByteWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    this.x = x;
    weight = w.address("linear");
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
    team.run(quantising);
    team.run(multiplying);
  }

  private void quantise(int worker, int workers) {
    int first = ThreadTeam.begin(rows, worker, workers);
    int count = ThreadTeam.begin(rows, worker + 1, workers) - first;
    if (count == 0) {
      return;
    }
    long stride = (long) x.rowStride() * Float.BYTES;
    ByteRows.quantise(
        scratch[worker].arguments(),
        x.address() + first * stride,
        stride,
        from + first * rowBytes,
        rowBytes,
        rowScales + first * (long) Float.BYTES,
        count,
        in);
  }

  private void multiply(int worker, int workers) {
    int panels = ByteWeight.panelCount(columns);
    int rowBlocks = Math.ceilDiv(rows, ROWS);
    // Panels are shared out where there are enough of them, else blocks of rows.
    boolean byPanels = panels >= 2 * workers || panels >= rowBlocks;
    int firstPanel = byPanels ? ThreadTeam.begin(panels, worker, workers) : 0;
    int lastPanel = byPanels ? ThreadTeam.begin(panels, worker + 1, workers) : panels;
    int first = byPanels ? 0 : ThreadTeam.begin(rowBlocks, worker, workers) * ROWS;
    int last = byPanels ? rows : ThreadTeam.begin(rowBlocks, worker + 1, workers) * ROWS;
    last = Math.min(last, rows);
    for (int row = first; row < last; row += CHUNK) {
      int count = Math.min(CHUNK, last - row);
      for (int panel = firstPanel; panel < lastPanel; panel += GROUP) {
        multiply(scratch[worker], row, count, panel, Math.min(panel + GROUP, lastPanel));
      }
    }
  }

  /** Some rows by some panels. */
  private void multiply(BrainScratch buffers, int row, int count, int panel, int end) {
    int rowBlocks = Math.ceilDiv(count, ROWS);
    long sumBytes = (long) rowBlocks * ROWS * SUM_BYTES;
    long panelBytes = (long) blocks * ByteWeight.BLOCK_BYTES;
    long sums = buffers.sums().atLeast(GROUP * sumBytes);
    for (int piece = 0; piece < blocks; piece += PIECE) {
      boolean begin = piece == 0;
      int steps = Math.min(PIECE, blocks - piece);
      buffers
          .product()
          .set(BrainTiles.A, from + row * rowBytes + (long) piece * DEPTH)
          .set(BrainTiles.A_STRIDE, rowBytes)
          .set(BrainTiles.B, weight + panel * panelBytes + (long) piece * ByteWeight.BLOCK_BYTES)
          .set(BrainTiles.B_PANEL, panelBytes)
          .set(BrainTiles.START, begin ? buffers.zeros() : sums)
          .set(BrainTiles.START_STRIDE, begin ? 0 : SUM_BYTES)
          .set(BrainTiles.START_PANEL, begin ? 0 : sumBytes)
          .set(BrainTiles.C, sums)
          .set(BrainTiles.C_STRIDE, SUM_BYTES)
          .set(BrainTiles.C_PANEL, sumBytes)
          .set(BrainTiles.OUT, epilogue.place(row, panel * WIDTH))
          .set(BrainTiles.OUT_STRIDE, epilogue.stride())
          .set(BrainTiles.OUT_PANEL, SUM_BYTES)
          .set(BrainTiles.STEPS, steps);
      ByteTiles.multiply(buffers.product(), rowBlocks, end - panel, steps);
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
