package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The matrix of a linear layer in bf16, as matrix tiles multiply by it: panels of {@link #WIDTH}
 * output features, blocks of {@link #DEPTH} input features, in each two tiles of 16 features. A row
 * of a tile holds two consecutive inputs for each of its features, {@code
 * [panels][blocks][2][16][16][2]}; what is beyond the matrix is zero.
 */
final class BrainWeight implements Weight {
  /** Output features of a panel. */
  static final int WIDTH = 32;

  /** Input features of a block. */
  static final int DEPTH = 32;

  /** Bytes of the two tiles of a block. */
  static final int BLOCK_BYTES = WIDTH * DEPTH * Short.BYTES;

  private static final int TILE = 16;

  private static final VectorSpecies<Integer> PAIRS = Lanes.F32.withLanes(int.class);
  private static final int UPPER_HALF = 0xFFFF0000;

  private final int out;
  private final int in;
  private final Tensor panels;
  private final PanelPacker packer;

  /** Made when a gradient is first asked for. */
  private BrainWeight transposed;

  /** Re-lays {@code matrix [out, in]}, rounded to nearest even. */
  BrainWeight(Tensor matrix, PanelPacker packer) {
    out = matrix.dim(0);
    in = matrix.dim(1);
    this.packer = packer;
    int blocks = blocks(in);
    panels = Tensor.allocate(DType.BF16, Shape.of(panelCount(out), blocks, WIDTH * DEPTH));
    try {
      pack(matrix, blocks);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private void pack(Tensor matrix, int blocks) {
    var type = matrix.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
    long stride = (long) blocks * DEPTH * Short.BYTES;
    packer.pack(
        matrix,
        type,
        (buffers, rows, first, count) -> {
          // Rows whose blocks, and then the panel, are filled up with zeros.
          var a = buffers.arguments();
          long filled = buffers.staging().atLeast(WIDTH * stride);
          long rowBytes = (long) in * type.bytes();
          BrainRows.toBlocks(type, a, rows.address(), rowBytes, filled, stride, count, in);
          buffers
              .staging()
              .segment()
              .asSlice(count * stride, (WIDTH - count) * stride)
              .fill((byte) 0);
          long to = panels.address() + first / WIDTH * blocks * (long) BLOCK_BYTES;
          BrainRows.transpose(a, filled, stride, to, blocks);
        });
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

  /**
   * The weight of the gradient, {@code [in, out]}; kept from now on.
   *
   * @param operator who asks, for the message if the weight is closed
   */
  BrainWeight transposed(String operator) {
    address(operator);
    if (transposed == null) {
      try (var matrix = Tensor.allocate(DType.BF16, Shape.of(in, out))) {
        for (int n = 0; n < out; n++) {
          for (int k = 0; k < in; k++) {
            copyElement(n, k, matrix.segment(), (long) k * out + n);
          }
        }
        transposed = new BrainWeight(matrix, packer);
      }
    }
    return transposed;
  }

  boolean isClosed() {
    return !panels.isAlive();
  }

  /** Copies an element of the matrix to an index of bf16 numbers. */
  void copyElement(int n, int k, MemorySegment to, long index) {
    MemorySegment.copy(panels.segment(), element(n, k), to, index * Short.BYTES, Short.BYTES);
  }

  /**
   * Copies some inputs of {@link MicroKernel#WIDTH} outputs as floats, {@code [inputs][WIDTH]}.
   *
   * @param n the first output, a multiple of the width
   * @param k the first input, an even one
   * @param inputs how many, an even number
   * @param to where they go, from index {@code at} on
   */
  void widen(int n, int k, int inputs, float[] to, int at) {
    var segment = panels.segment();
    for (int end = k + inputs; k < end; k += 2, at += 2 * MicroKernel.WIDTH) {
      for (int j = 0; j < MicroKernel.WIDTH; j += Lanes.COUNT) {
        // A bf16 number is the upper half of the float.
        var pairs = IntVector.fromMemorySegment(PAIRS, segment, element(n + j, k), Lanes.LE);
        var even = pairs.lanewise(VectorOperators.LSHL, Short.SIZE).reinterpretAsFloats();
        var odd = pairs.and(UPPER_HALF).reinterpretAsFloats();
        even.intoArray(to, at + j);
        odd.intoArray(to, at + MicroKernel.WIDTH + j);
      }
    }
  }

  /** Byte offset of an element of the matrix. */
  private long element(int n, int k) {
    long block = (long) (n / WIDTH) * blocks(in) + k / DEPTH;
    long pair = (n % WIDTH / TILE * TILE + k % DEPTH / 2) * TILE + n % TILE;
    return block * BLOCK_BYTES + pair * 4 + k % 2 * 2;
  }

  @Override
  public void close() {
    panels.close();
    if (transposed != null) {
      transposed.close();
    }
  }
}
