package dev.gatun.runtime.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Transposes square blocks as large as a vector is long, in log₂ of that many steps: step {@code d}
 * exchanges the elements {@code (i, j + d)} and {@code (i + d, j)} whose i and j do not have the
 * bit d. The blocks remain in memory between the steps, where vectors that are stored whole are
 * read whole: a shifted load, which would do without the permutation, waits for two stores.
 */
final class Transpose {
  private static final VectorSpecies<Float> S = Lanes.F32;

  private static final VectorMask<Float> ONE = lanesWith(1);
  private static final VectorMask<Float> TWO = lanesWith(2);
  private static final VectorMask<Float> FOUR = lanesWith(4);
  private static final VectorMask<Float> EIGHT = lanesWith(8);

  private static final VectorShuffle<Float> BY_ONE = exchanging(1);
  private static final VectorShuffle<Float> BY_TWO = exchanging(2);
  private static final VectorShuffle<Float> BY_FOUR = exchanging(4);
  private static final VectorShuffle<Float> BY_EIGHT = exchanging(8);

  private Transpose() {}

  private static VectorMask<Float> lanesWith(int bit) {
    long lanes = 0;
    for (int i = 0; i < Lanes.COUNT; i++) {
      lanes |= (i & bit) != 0 ? 1L << i : 0;
    }
    return VectorMask.fromLong(S, lanes);
  }

  /** Takes each lane from the one whose number differs in a bit. */
  private static VectorShuffle<Float> exchanging(int bit) {
    return VectorShuffle.fromOp(S, i -> (i ^ bit) & Lanes.COUNT - 1);
  }

  /**
   * Transposes blocks side by side in {@link Lanes#COUNT} rows: the element of row i and column
   * {@code b·COUNT + j} becomes that of row j and column {@code b·COUNT + i}.
   *
   * @param x rows
   * @param step distance of the rows, a multiple of {@link Lanes#COUNT}; they begin with index 0
   */
  static void blocks(float[] x, int step) {
    exchange(x, step, 1, BY_ONE, ONE);
    if (Lanes.COUNT > 2) {
      exchange(x, step, 2, BY_TWO, TWO);
    }
    if (Lanes.COUNT > 4) {
      exchange(x, step, 4, BY_FOUR, FOUR);
    }
    if (Lanes.COUNT > 8) {
      exchange(x, step, 8, BY_EIGHT, EIGHT);
    }
  }

  private static void exchange(
      float[] x, int step, int bit, VectorShuffle<Float> d, VectorMask<Float> with) {
    for (int row = 0; row < Lanes.COUNT; row++) {
      if ((row & bit) == 0) {
        exchange(x, row * step, (row + bit) * step, step, d, with);
      }
    }
  }

  private static void exchange(
      float[] x, int upper, int lower, int count, VectorShuffle<Float> d, VectorMask<Float> with) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var a = FloatVector.fromArray(S, x, upper + i);
      var b = FloatVector.fromArray(S, x, lower + i);
      a.blend(b.rearrange(d), with).intoArray(x, upper + i);
      a.rearrange(d).blend(b, with).intoArray(x, lower + i);
    }
  }
}
