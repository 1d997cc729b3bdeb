package dev.gatun.runtime.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import dev.gatun.runtime.cpu.ByteProduct.Unit;
import java.lang.foreign.MemorySegment;

/**
 * The matrix of a linear layer in signed bytes with a scale for each output feature, as {@link
 * ByteProduct} multiplies by it: panels of {@link #WIDTH} output features, blocks of {@link #DEPTH}
 * input features, in each two tiles of 16 features. A row of a tile holds four consecutive inputs
 * for each of its features, {@code [panels][blocks][2][16][16][4]}; what is beyond the matrix is
 * zero.
 */
final class ByteWeight implements Weight {
  /** Output features of a panel. */
  static final int WIDTH = 32;

  /** Input features of a block. */
  static final int DEPTH = 64;

  /** Bytes of the two tiles of a block. */
  static final int BLOCK_BYTES = WIDTH * DEPTH;

  /** Most inputs whose sum is an int in any case. */
  private static final int MOST_INPUTS = Integer.MAX_VALUE / (ByteRows.MOST * ByteRows.MOST);

  /** Fewer inputs or outputs are those of patches. */
  private static final int LEAST = 64;

  private static final int TILE = 16;

  private final Unit unit;
  private final int out;
  private final int in;
  private final Tensor panels;
  private final Tensor scales;
  private final Tensor starts;

  /** Made when a gradient is first asked for. */
  private PackedWeight transposed;

  /**
   * Whether a matrix is to be multiplied by in bytes: its sums are ints in any case, and it is not
   * one of the small ones that lead into a network or out of it. Those cost next to nothing, and as
   * bytes they would make a quarter of the error of a DiT.
   */
  static boolean takes(Tensor matrix) {
    int out = matrix.dim(0);
    int in = matrix.dim(1);
    return Math.min(in, out) >= LEAST && in <= MOST_INPUTS;
  }

  /** Quantises and re-lays {@code matrix [out, in]}. */
  ByteWeight(Tensor matrix, PanelPacker packer, Unit unit) {
    this.unit = unit;
    out = matrix.dim(0);
    in = matrix.dim(1);
    int blocks = blocks(in);
    int count = panelCount(out);
    panels = Tensor.allocate(DType.I8, Shape.of(count, blocks, BLOCK_BYTES));
    scales = Tensor.allocate(DType.F32, Shape.of(count, WIDTH));
    starts = Tensor.allocate(DType.I32, Shape.of(count, WIDTH));
    try {
      pack(matrix, packer, blocks);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private void pack(Tensor matrix, PanelPacker packer, int blocks) {
    boolean narrow = unit.isNarrow();
    var type = matrix.dtype() == DType.BF16 && !narrow ? DType.BF16 : DType.F32;
    long stride = (long) blocks * DEPTH;
    packer.pack(
        matrix,
        type,
        (buffers, rows, first, count) -> {
          long bytes = buffers.staging().atLeast(WIDTH * stride);
          // Rows of bytes whose blocks, and then the panel, are filled up with zeros.
          if (narrow) {
            quantise(buffers, rows, first, count);
          } else {
            long rowBytes = (long) in * type.bytes();
            long to = scales.address() + first * (long) Float.BYTES;
            ByteRows.quantise(
                type,
                buffers.arguments(),
                rows.address(),
                rowBytes,
                bytes,
                stride,
                to,
                count,
                in,
                0);
          }
          var staging = buffers.staging().segment();
          staging.asSlice(count * stride, (WIDTH - count) * stride).fill((byte) 0);
          long panel = first / WIDTH * stride * WIDTH;
          if (narrow) {
            ByteLanes.transpose(staging, panels.segment(), panel, blocks);
          } else {
            long to = panels.address() + panel;
            BrainRows.transpose(buffers.arguments(), bytes, stride, to, blocks);
          }
          if (unit.offset() != 0) {
            begin(buffers, first, panels.address() + panel, blocks);
          }
        });
  }

  /** Without machine code for rows. */
  private void quantise(BrainScratch buffers, MemorySegment rows, int first, int count) {
    int length = blocks(in) * DEPTH;
    float[] x = buffers.floats(length);
    for (int i = 0; i < count; i++) {
      ByteLanes.copy(rows, i * (long) in, in, x, length);
      var to = buffers.staging().segment();
      float scale = ByteLanes.bytes(x, length, 0, to, (long) i * length);
      scales.setFloat(first + i, scale);
    }
  }

  /**
   * What the sums of a panel begin with: the product of a row of offsets, its sign turned.
   *
   * @param first of the outputs
   * @param panel where its tiles lie
   */
  private void begin(BrainScratch buffers, int first, long panel, int blocks) {
    long row = buffers.scores().atLeast((long) blocks * DEPTH);
    buffers.scores().segment().asSlice(0, (long) blocks * DEPTH).fill((byte) unit.offset());
    long to = starts.address() + first * (long) Integer.BYTES;
    buffers
        .product()
        .set(BrainProduct.A, row)
        .set(BrainProduct.B, panel)
        .set(BrainProduct.START, buffers.zeros())
        .set(BrainProduct.C, to)
        .set(BrainProduct.OUT, to)
        .set(BrainProduct.STEPS, blocks);
    unit.multiply(buffers.product(), 1, 1, blocks);
    for (int n = first; n < first + WIDTH; n++) {
      starts.segment().setAtIndex(JAVA_INT, n, -starts.segment().getAtIndex(JAVA_INT, n));
    }
  }

  static int panelCount(int out) {
    return Math.ceilDiv(out, WIDTH);
  }

  static int blocks(int in) {
    return Math.max(1, Math.ceilDiv(in, DEPTH)); // a sum of nothing is one of zeros
  }

  @Override
  public int out() {
    return out;
  }

  @Override
  public int in() {
    return in;
  }

  /**
   * Where the panels begin.
   *
   * @param operator who asks, for the message if the weight is closed
   */
  long address(String operator) {
    if (!panels.isAlive()) {
      throw new IllegalStateException(operator + ": weight [" + out + ", " + in + "] is closed");
    }
    return panels.address();
  }

  /** A scale for each column of whole panels. */
  Tensor scales() {
    return scales;
  }

  /** What sums begin with, ints of whole panels. */
  Tensor starts() {
    return starts;
  }

  /**
   * The weight of the gradient in f32, {@code [in, out]}: that of the numbers that the bytes stand
   * for. It is kept from now on.
   *
   * @param operator who asks, for the message if the weight is closed
   */
  PackedWeight transposed(String operator) {
    address(operator);
    if (transposed == null) {
      try (var matrix = Tensor.allocate(DType.F32, Shape.of(in, out))) {
        for (int k = 0; k < in; k++) {
          for (int n = 0; n < out; n++) {
            matrix.setFloat((long) k * out + n, element(n, k));
          }
        }
        transposed = new PackedWeight(matrix);
      }
    }
    return transposed;
  }

  /** An element of the matrix. */
  private float element(int n, int k) {
    long block = (long) (n / WIDTH) * blocks(in) + k / DEPTH;
    long four = (n % WIDTH / TILE * TILE + k % DEPTH / 4) * TILE + n % TILE;
    MemorySegment bytes = panels.segment();
    byte value = bytes.get(JAVA_BYTE, block * BLOCK_BYTES + four * 4 + k % 4);
    return value * scales.getFloat(n);
  }

  @Override
  public void close() {
    panels.close();
    scales.close();
    starts.close();
    if (transposed != null) {
      transposed.close();
    }
  }
}
