package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The relative position bias of attention in windows, added to scores whose lanes are queries. As
 * seen from one key, the biases of consecutive queries of a row of the window stand side by side in
 * the table.
 */
final class RelativeBias {
  /** The table, {@code [heads, (2·side − 1)²]}; grown when needed, then reused. */
  private float[] table = new float[0];

  private int side;
  private boolean present;

  /**
   * Reads the bias of an attention, if it has one.
   *
   * @param factor what the scores are multiplied by
   */
  void set(AttentionSpec spec, float factor) {
    var bias = spec.relativeBias();
    present = bias != null;
    if (present) {
      side = spec.windows().side();
      int entries = bias.dim(1);
      if (table.length < spec.heads() * entries) {
        table = new float[spec.heads() * entries];
      }
      for (int head = 0; head < spec.heads(); head++) {
        long from = (long) head * bias.rowStride() * Float.BYTES;
        MemorySegment.copy(bias.segment(), Tensor.FLOAT, from, table, head * entries, entries);
      }
      for (int i = 0; i < spec.heads() * entries; i++) {
        table[i] *= factor;
      }
    }
  }

  /**
   * Adds the bias of a head, if there is one.
   *
   * @param scores {@code [keys][WIDTH]}
   * @param at index of the first of them
   * @param key first key of the block
   * @param block how many keys
   * @param query first query
   * @param count how many queries, up to WIDTH
   */
  void add(float[] scores, int at, int head, int key, int block, int query, int count) {
    if (!present) {
      return;
    }
    int extent = 2 * side - 1;
    for (int i = 0; i < count; ) {
      int row = (query + i) / side;
      int column = (query + i) % side;
      int run = Math.min(side - column, count - i);
      for (int j = 0; j < block; j++) {
        int down = row - (key + j) / side + side - 1;
        int right = column - (key + j) % side + side - 1;
        int from = (head * extent + down) * extent + right;
        addRun(table, from, scores, at + j * MicroKernel.WIDTH + i, run);
      }
      i += run;
    }
  }

  private static void addRun(float[] from, int at, float[] to, int index, int count) {
    for (int i = 0; i < count; i++) {
      to[index + i] += from[at + i];
    }
  }
}
