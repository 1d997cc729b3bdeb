package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Changes of the size of a feature map, line by line of the result: lines of the operand are
 * brought into the cache, computed there, and written back.
 */
final class Resampling implements ThreadTeam.Work {
  /** Fewer elements than this are not worth waking a thread. */
  private static final int SHARED = 1 << 15;

  private static final VectorSpecies<Float> S = Lanes.F32;

  private enum Operation {
    UPSAMPLE,
    POOL,
    BILINEAR
  }

  private final ThreadTeam team;
  private final Scratch[] scratch;

  // The call that is running.
  private Operation operation;
  private Tensor x;
  private Tensor out;
  private int width; // of x
  private int padded; // floats of a position

  Resampling(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void upsampleNearest(Tensor x, Tensor out) {
    run(Operation.UPSAMPLE, x, out);
  }

  void averagePool(Tensor x, Tensor out) {
    run(Operation.POOL, x, out);
  }

  void resizeBilinear(Tensor x, Tensor out) {
    run(Operation.BILINEAR, x, out);
  }

  private void run(Operation operation, Tensor x, Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    this.operation = operation;
    this.x = x;
    this.out = out;
    width = x.dim(2);
    padded = RowBlock.padded(x.dim(3));
    if (out.shape().size() < SHARED) {
      run(0, 1);
    } else {
      team.run(this);
    }
  }

  @Override
  public void run(int worker, int workers) {
    float[] a = scratch[worker].floats(0, Math.multiplyExact(width, padded));
    float[] b = scratch[worker].floats(1, Math.multiplyExact(width, padded));
    float[] to = scratch[worker].floats(2, Math.multiplyExact(out.dim(2), padded));
    // A line that is repeated below itself is made once.
    int repeat = operation == Operation.UPSAMPLE ? 2 : 1;
    int lines = Math.multiplyExact(out.dim(0), out.dim(1)) / repeat;
    int end = ThreadTeam.begin(lines, worker + 1, workers);
    for (int line = ThreadTeam.begin(lines, worker, workers); line < end; line++) {
      switch (operation) {
        case UPSAMPLE -> upsample(line, a, to);
        case POOL -> pool(line, a, b, to);
        case BILINEAR -> bilinear(line, a, b, to);
      }
      for (int i = 0; i < repeat; i++) {
        store(to, (long) line * repeat + i);
      }
    }
  }

  private void load(long line, float[] to) {
    RowBlock.load(x, line * width, width, to);
  }

  private void store(float[] from, long line) {
    RowBlock.store(from, out, line * out.dim(2), out.dim(2));
  }

  private void upsample(int line, float[] a, float[] to) {
    load(line, a);
    for (int j = 0; j < width; j++) {
      System.arraycopy(a, j * padded, to, 2 * j * padded, padded);
      System.arraycopy(a, j * padded, to, (2 * j + 1) * padded, padded);
    }
  }

  private void pool(int line, float[] a, float[] b, float[] to) {
    load(2L * line, a); // H is even, so this is right in every sample
    load(2L * line + 1, b);
    for (int j = 0; j < width / 2; j++) {
      mean(a, b, 2 * j * padded, padded, to, j * padded);
    }
  }

  /** {@code to = ¼(a + a' + b + b')} with the neighbours of a and b in the next position. */
  private static void mean(float[] a, float[] b, int from, int padded, float[] to, int at) {
    for (int i = 0; i < padded; i += Lanes.COUNT) {
      var p =
          FloatVector.fromArray(S, a, from + i).add(FloatVector.fromArray(S, a, from + padded + i));
      var q =
          FloatVector.fromArray(S, b, from + i).add(FloatVector.fromArray(S, b, from + padded + i));
      p.add(q).mul(0.25f).intoArray(to, at + i);
    }
  }

  private void bilinear(int line, float[] a, float[] b, float[] to) {
    int n = line / out.dim(1);
    double y = source(line % out.dim(1), x.dim(1), out.dim(1));
    int top = (int) y;
    int bottom = Math.min(top + 1, x.dim(1) - 1);
    load((long) n * x.dim(1) + top, a);
    load((long) n * x.dim(1) + bottom, b);
    mix(a, 0, b, 0, (float) (y - top), width * padded, a, 0);
    for (int j = 0; j < out.dim(2); j++) {
      double z = source(j, width, out.dim(2));
      int left = (int) z;
      int right = Math.min(left + 1, width - 1);
      mix(a, left * padded, a, right * padded, (float) (z - left), padded, to, j * padded);
    }
  }

  /** Where along an axis the value of a position of the result is read. */
  private static double source(int to, int in, int out) {
    return Math.max(0, (to + 0.5) * in / out - 0.5);
  }

  /** {@code to = a + weight·(b - a)}. */
  private static void mix(
      float[] a, int p, float[] b, int q, float weight, int count, float[] to, int at) {
    var w = FloatVector.broadcast(S, weight);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var v = FloatVector.fromArray(S, a, p + i);
      FloatVector.fromArray(S, b, q + i).sub(v).fma(w, v).intoArray(to, at + i);
    }
  }
}
