package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The relative position bias of attention in windows, as rows of scores begin with it. The table is
 * kept turned round, so that the biases of one query for a row of keys stand side by side and in
 * order.
 */
final class BrainRelativeBias {
  /** {@code [heads][2·side − 1][2·side − 1]}; grown when needed, then reused. */
  private float[] table = new float[0];

  private int side;

  /**
   * Reads the bias of an attention that has one.
   *
   * @param factor what it is multiplied by
   */
  void set(AttentionSpec spec, float factor) {
    var bias = spec.relativeBias();
    side = spec.windows().side();
    int entries = entries();
    if (table.length < spec.heads() * entries) {
      table = new float[spec.heads() * entries];
    }
    var from = bias.segment();
    for (int head = 0; head < spec.heads(); head++) {
      long row = (long) head * bias.rowStride();
      for (int i = 0; i < entries; i++) {
        float value = from.get(Tensor.FLOAT, (row + i) * Float.BYTES);
        table[(head + 1) * entries - 1 - i] = value * factor;
      }
    }
  }

  private int extent() {
    return 2 * side - 1;
  }

  private int entries() {
    return extent() * extent();
  }

  /**
   * Writes what the scores of some queries begin with.
   *
   * @param row room for the numbers of a row of scores
   * @param to rows of scores
   * @param stride bytes from a row to the next
   */
  void write(int head, int query, int count, float[] row, MemorySegment to, long stride) {
    for (int i = 0; i < count; i++) {
      int down = side - 1 - (query + i) / side;
      int right = side - 1 - (query + i) % side;
      int from = head * entries() + down * extent() + right;
      for (int line = 0; line < side; line++) {
        System.arraycopy(table, from + line * extent(), row, line * side, side);
      }
      MemorySegment.copy(row, 0, to, Tensor.FLOAT, i * stride, side * side);
    }
  }
}
