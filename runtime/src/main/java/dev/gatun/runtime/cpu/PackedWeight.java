package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The matrix of a linear layer, cut into panels of {@link MicroKernel#WIDTH} output features:
 * {@code [panels][in][WIDTH]}, the last panel filled up with zeros.
 */
final class PackedWeight implements Weight {
  private final int out;
  private final int in;
  private final Tensor panels;

  /** Made when a gradient is first asked for. */
  private PackedWeight transposed;

  /** Re-lays {@code matrix [out, in]}; reads it once, in order. */
  PackedWeight(Tensor matrix) {
    out = matrix.dim(0);
    in = matrix.dim(1);
    panels = Tensor.allocate(DType.F32, Shape.of(panelCount(out), in, MicroKernel.WIDTH));
    var source = matrix.segment();
    var target = panels.segment();
    float[] rows = new float[MicroKernel.WIDTH * in];
    float[] panel = new float[rows.length];
    for (int p = 0; p < panelCount(out); p++) {
      int count = Math.min(MicroKernel.WIDTH, out - p * MicroKernel.WIDTH);
      long first = (long) p * MicroKernel.WIDTH;
      for (int r = 0; r < count; r++) {
        read(matrix.dtype(), source, (first + r) * matrix.rowStride(), rows, r * in, in);
      }
      transpose(rows, count, in, panel);
      MemorySegment.copy(panel, 0, target, Tensor.FLOAT, first * in * Float.BYTES, panel.length);
    }
  }

  static int panelCount(int out) {
    return Math.ceilDiv(out, MicroKernel.WIDTH);
  }

  private static void read(
      DType dtype, MemorySegment from, long element, float[] to, int at, int count) {
    switch (dtype) {
      case F32 -> MemorySegment.copy(from, Tensor.FLOAT, element * Float.BYTES, to, at, count);
      case F16 -> {
        for (int i = 0; i < count; i++) {
          to[at + i] = Float.float16ToFloat(from.get(HostTypes.SHORT, (element + i) * Short.BYTES));
        }
      }
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          to[at + i] =
              Float.intBitsToFloat(from.get(HostTypes.SHORT, (element + i) * Short.BYTES) << 16);
        }
      }
      case F64, I64, I32, I16, I8, U8, BOOL ->
          throw new IllegalArgumentException(
              "pack: matrix is " + dtype + ", expected F32, F16 or BF16");
    }
  }

  /** {@code [count][in] → [in][WIDTH]}; what lies beyond count becomes zero. */
  private static void transpose(float[] rows, int count, int in, float[] panel) {
    if (count < MicroKernel.WIDTH) {
      Arrays.fill(panel, 0);
    }
    for (int k = 0; k < in; k++) {
      for (int r = 0; r < count; r++) {
        panel[k * MicroKernel.WIDTH + r] = rows[r * in + k];
      }
    }
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
   * The panels, {@code [panels][in][WIDTH]}.
   *
   * @param operator who asks, for the message if the weight is closed
   */
  MemorySegment panels(String operator) {
    if (isClosed()) {
      throw new IllegalStateException(operator + ": weight [" + out + ", " + in + "] is closed");
    }
    return panels.segment();
  }

  /**
   * The weight of the gradient, {@code [in, out]}; kept from now on.
   *
   * @param operator who asks, for the message if the weight is closed
   */
  PackedWeight transposed(String operator) {
    panels(operator);
    if (transposed == null) {
      try (var matrix = Tensor.allocate(DType.F32, Shape.of(in, out))) {
        for (int k = 0; k < in; k++) {
          copyColumn(k, matrix.segment(), (long) k * out);
        }
        transposed = new PackedWeight(matrix);
      }
    }
    return transposed;
  }

  /** Column k of the matrix, {@code [out]}, to where an element of other memory is. */
  void copyColumn(int k, MemorySegment to, long element) {
    for (int o = 0; o < out; o += MicroKernel.WIDTH) {
      long from = ((long) o * in + (long) k * MicroKernel.WIDTH) * Float.BYTES;
      long count = Math.min(MicroKernel.WIDTH, out - o);
      MemorySegment.copy(
          panels.segment(), from, to, (element + o) * Float.BYTES, count * Float.BYTES);
    }
  }

  boolean isClosed() {
    return !panels.isAlive();
  }

  @Override
  public void close() {
    panels.close();
    if (transposed != null) {
      transposed.close();
    }
  }
}
