package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * What happens to a finished tile of a product while it is in the first-level cache: {@code out =
 * residual + gate ⊙ activation(tile)}, whose sums began with the bias or which receives it here.
 * One short pass per part, each a small method that compiles early; a column is always treated by
 * the same code, so batch and threads do not change its bits.
 */
final class TileEpilogue {
  private static final VectorSpecies<Float> S = Lanes.F32;
  private static final int WIDTH = MicroKernel.WIDTH;

  private Activation activation;
  private MemorySegment gate;
  private int gateStride;
  private int rowsPerGate;
  private MemorySegment residual;
  private int residualStride;
  private int residualRows;
  private MemorySegment out;
  private int outStride;
  private int columns;

  void set(Activation activation, Tensor gate, Tensor residual, Tensor out, int columns) {
    this.activation = activation;
    this.gate = gate == null ? null : gate.segment();
    if (gate != null) {
      gateStride = gate.rowStride();
      rowsPerGate = (int) (out.shape().rows() / Math.max(1, gate.shape().rows()));
    }
    this.residual = residual == null ? null : residual.segment();
    if (residual != null) {
      residualStride = residual.rowStride();
      residualRows = Math.toIntExact(residual.shape().rows());
    }
    this.out = out.segment();
    outStride = out.rowStride();
    this.columns = columns;
  }

  /**
   * Adds a bias to rows of {@link MicroKernel#WIDTH} floats and activates them.
   *
   * @param column index of the bias of the first column
   * @param t a buffer of as many floats
   */
  void activate(float[] c, int at, int rows, float[] bias, int column, float[] t) {
    var p = FloatVector.fromArray(S, bias, column);
    var q = FloatVector.fromArray(S, bias, column + Lanes.COUNT);
    for (int i = at; i < at + rows * WIDTH; i += WIDTH) {
      FloatVector.fromArray(S, c, i).add(p).intoArray(c, i);
      FloatVector.fromArray(S, c, i + Lanes.COUNT).add(q).intoArray(c, i + Lanes.COUNT);
    }
    activate(c, at, rows, t);
  }

  /** Activates rows of {@link MicroKernel#WIDTH} floats; t is a buffer of as many floats. */
  void activate(float[] c, int at, int rows, float[] t) {
    Pointwise.activate(activation, c, at, rows * WIDTH, t);
  }

  /**
   * Stores the activated rows of a tile, which belong at (row, column) of the result.
   *
   * @param tile index of the first row, which has {@link MicroKernel#WIDTH} floats
   * @param step distance between the rows
   */
  void store(float[] c, int tile, int step, int height, int row, int column) {
    if (column + WIDTH > columns) {
      storeTail(c, tile, step, height, row, column);
      return;
    }
    if (gate != null) {
      multiply(c, tile, step, height, row, column);
    }
    if (residual != null) {
      add(c, tile, step, height, row, column);
    }
    long to = ((long) row * outStride + column) * Float.BYTES;
    store(c, tile, step, height, out, to, (long) outStride * Float.BYTES);
  }

  /** By the gate; rows of one sample have the same. */
  private void multiply(float[] c, int tile, int step, int height, int row, int column) {
    for (int r = 0, end; r < height; r = end) {
      int sample = (row + r) / rowsPerGate;
      end = Math.min(height, (sample + 1) * rowsPerGate - row);
      long by = ((long) sample * gateStride + column) * Float.BYTES;
      multiply(c, tile + r * step, step, end - r, gate, by);
    }
  }

  private static void multiply(
      float[] c, int tile, int step, int height, MemorySegment y, long from) {
    var p = FloatVector.fromMemorySegment(S, y, from, Lanes.LE);
    var q = FloatVector.fromMemorySegment(S, y, from + Lanes.BYTES, Lanes.LE);
    for (int r = 0, at = tile; r < height; r++, at += step) {
      FloatVector.fromArray(S, c, at).mul(p).intoArray(c, at);
      FloatVector.fromArray(S, c, at + Lanes.COUNT).mul(q).intoArray(c, at + Lanes.COUNT);
    }
  }

  /** The residual, which begins anew if it has fewer rows. */
  private void add(float[] c, int tile, int step, int height, int row, int column) {
    for (int r = 0, end; r < height; r = end) {
      int first = (row + r) % residualRows;
      end = Math.min(height, r + residualRows - first);
      long with = ((long) first * residualStride + column) * Float.BYTES;
      long stride = (long) residualStride * Float.BYTES;
      add(c, tile + r * step, step, end - r, residual, with, stride);
    }
  }

  private static void add(
      float[] c, int tile, int step, int height, MemorySegment y, long from, long stride) {
    for (int r = 0, at = tile; r < height; r++, at += step, from += stride) {
      var p = FloatVector.fromMemorySegment(S, y, from, Lanes.LE);
      var q = FloatVector.fromMemorySegment(S, y, from + Lanes.BYTES, Lanes.LE);
      FloatVector.fromArray(S, c, at).add(p).intoArray(c, at);
      FloatVector.fromArray(S, c, at + Lanes.COUNT).add(q).intoArray(c, at + Lanes.COUNT);
    }
  }

  private static void store(
      float[] c, int tile, int step, int height, MemorySegment out, long to, long stride) {
    for (int r = 0, at = tile; r < height; r++, at += step, to += stride) {
      FloatVector.fromArray(S, c, at).intoMemorySegment(out, to, Lanes.LE);
      FloatVector.fromArray(S, c, at + Lanes.COUNT)
          .intoMemorySegment(out, to + Lanes.BYTES, Lanes.LE);
    }
  }

  /** The columns of the last, incomplete panel, one by one. */
  private void storeTail(float[] c, int tile, int step, int height, int row, int column) {
    int count = columns - column;
    for (int r = 0; r < height; r++) {
      int at = tile + r * step;
      for (int i = 0; i < count; i++) {
        float value = c[at + i];
        if (gate != null) {
          value *= element(gate, (long) ((row + r) / rowsPerGate) * gateStride, column + i);
        }
        if (residual != null) {
          value +=
              element(residual, (long) ((row + r) % residualRows) * residualStride, column + i);
        }
        out.set(Tensor.FLOAT, ((long) (row + r) * outStride + column + i) * Float.BYTES, value);
      }
    }
  }

  private static float element(MemorySegment from, long row, int column) {
    return from.get(Tensor.FLOAT, (row + column) * Float.BYTES);
  }
}
