package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Some rows of a tensor in an array, each filled up to whole vectors, so that loops over the
 * channels have no tail; what stands in the filling is undefined.
 */
final class RowBlock {
  private RowBlock() {}

  /** Floats of a row with its filling. */
  static int padded(int columns) {
    return Math.ceilDiv(columns, Lanes.COUNT) * Lanes.COUNT;
  }

  /** How many padded rows fit in so many floats, at least one. */
  static int rows(int floats, int padded) {
    return Math.max(1, floats / Math.max(1, padded));
  }

  /** Copies {@code count} rows of a tensor to the beginning of an array. */
  static void load(Tensor from, long row, int count, float[] to) {
    int columns = from.shape().cols();
    int padded = padded(columns);
    int stride = from.rowStride();
    var memory = from.segment();
    long at = row * stride * Float.BYTES;
    if (columns == padded && columns == stride) {
      MemorySegment.copy(memory, Tensor.FLOAT, at, to, 0, count * columns);
      return;
    }
    for (int r = 0; r < count; r++, at += (long) stride * Float.BYTES) {
      MemorySegment.copy(memory, Tensor.FLOAT, at, to, r * padded, columns);
    }
  }

  /** Copies the first {@code count} rows of an array to a tensor. */
  static void store(float[] from, Tensor to, long row, int count) {
    int columns = to.shape().cols();
    int padded = padded(columns);
    int stride = to.rowStride();
    var memory = to.segment();
    long at = row * stride * Float.BYTES;
    if (columns == padded && columns == stride) {
      MemorySegment.copy(from, 0, memory, Tensor.FLOAT, at, count * columns);
      return;
    }
    for (int r = 0; r < count; r++, at += (long) stride * Float.BYTES) {
      MemorySegment.copy(from, r * padded, memory, Tensor.FLOAT, at, columns);
    }
  }
}
