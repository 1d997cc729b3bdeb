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
  /** Floats of a cache line. */
  private static final int LINE = 16;

  private final int out;
  private final int in;

  /** From a row to the next, so that one column of all of them is not a single set of a cache. */
  private final int pitch;

  private final Tensor panels;

  /** Made when a gradient is first asked for. */
  private PackedWeight transposed;

  /** Re-lays {@code matrix [out, in]} by this thread alone. */
  PackedWeight(Tensor matrix) {
    this(matrix, new ThreadTeam(1));
  }

  /** Re-lays {@code matrix [out, in]} by all threads of a team. */
  PackedWeight(Tensor matrix, ThreadTeam team) {
    out = matrix.dim(0);
    in = matrix.dim(1);
    pitch = Math.addExact(in, LINE);
    panels = Tensor.allocate(DType.F32, Shape.of(panelCount(out), in, MicroKernel.WIDTH));
    try {
      team.run((worker, workers) -> pack(matrix, team));
    } catch (RuntimeException | Error e) {
      panels.close();
      throw e;
    }
  }

  /** Panels that no other worker has taken: while weights are loaded, the compiler is busy, too. */
  private void pack(Tensor matrix, ThreadTeam team) {
    float[] rows = null;
    float[] panel = null;
    for (int p; (p = team.take()) < panelCount(out); ) {
      if (rows == null) {
        rows = new float[MicroKernel.WIDTH * pitch];
        panel = new float[MicroKernel.WIDTH * in];
      }
      int row = p * MicroKernel.WIDTH;
      int count = Math.min(MicroKernel.WIDTH, out - row);
      for (int r = 0; r < count; r++) {
        long from = (long) (row + r) * matrix.rowStride();
        read(matrix.dtype(), matrix.segment(), from, rows, r * pitch, in);
      }
      transpose(rows, count, panel);
      long to = (long) row * in * Float.BYTES;
      MemorySegment.copy(panel, 0, panels.segment(), Tensor.FLOAT, to, panel.length);
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
  private void transpose(float[] rows, int count, float[] panel) {
    if (count < MicroKernel.WIDTH) {
      Arrays.fill(panel, 0);
    }
    for (int k = 0; k < in; k++) {
      for (int r = 0; r < count; r++) {
        panel[k * MicroKernel.WIDTH + r] = rows[r * pitch + k];
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
