package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Tensor;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Operators between the positions of a sample and one row for all of them. */
final class Samples {
  /** Floats of a block: of the first-level cache. */
  private static final int BLOCK = 4096;

  /** Fewer elements than this are not worth waking a thread. */
  private static final int SHARED = 1 << 15;

  private static final VectorSpecies<Float> S = Lanes.F32;

  private final ThreadTeam team;
  private final Scratch[] scratch;
  private final ThreadTeam.Work mean = this::mean;
  private final ThreadTeam.Work add = this::add;

  // The call that is running.
  private Tensor x;
  private Tensor y;
  private Tensor out;

  Samples(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void meanOfPositions(Tensor x, Tensor out) {
    run(mean, x, null, out);
  }

  void addPerSample(Tensor x, Tensor y, Tensor out) {
    run(add, x, y, out);
  }

  private void run(ThreadTeam.Work work, Tensor x, Tensor y, Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    this.x = x;
    this.y = y;
    this.out = out;
    if (x.shape().size() < SHARED) {
      work.run(0, 1);
    } else {
      team.run(work);
    }
  }

  /** A sample is one worker's; its blocks are summed in f32, and the sums of blocks in double. */
  private void mean(int worker, int workers) {
    int columns = x.shape().cols();
    int padded = RowBlock.padded(columns);
    int positions = Math.toIntExact(x.shape().rows() / x.dim(0));
    int most = RowBlock.rows(BLOCK, padded);
    float[] block = scratch[worker].floats(0, most * padded);
    float[] sums = scratch[worker].floats(1, padded);
    double[] totals = scratch[worker].doubles(columns);
    int end = ThreadTeam.begin(x.dim(0), worker + 1, workers);
    for (int n = ThreadTeam.begin(x.dim(0), worker, workers); n < end; n++) {
      Arrays.fill(totals, 0, columns, 0);
      for (int first = 0; first < positions; first += most) {
        int count = Math.min(most, positions - first);
        RowBlock.load(x, (long) n * positions + first, count, block);
        sum(block, count, padded, sums);
        for (int c = 0; c < columns; c++) {
          totals[c] += sums[c];
        }
      }
      for (int c = 0; c < columns; c++) {
        out.setFloat((long) n * columns + c, (float) (totals[c] / positions));
      }
    }
  }

  private static void sum(float[] block, int count, int padded, float[] sums) {
    for (int c = 0; c < padded; c += Lanes.COUNT) {
      var sum = FloatVector.fromArray(S, block, c);
      for (int r = 1; r < count; r++) {
        sum = sum.add(FloatVector.fromArray(S, block, r * padded + c));
      }
      sum.intoArray(sums, c);
    }
  }

  private void add(int worker, int workers) {
    int padded = RowBlock.padded(x.shape().cols());
    int rows = Math.toIntExact(x.shape().rows());
    int period = Math.toIntExact(rows / y.shape().rows());
    int most = RowBlock.rows(BLOCK, padded);
    float[] block = scratch[worker].floats(0, most * padded);
    float[] row = scratch[worker].floats(1, padded);
    int end = ThreadTeam.begin(rows, worker + 1, workers);
    for (int r = ThreadTeam.begin(rows, worker, workers), count; r < end; r += count) {
      int sample = r / period;
      count = Math.min(most, Math.min(end, (sample + 1) * period) - r);
      RowBlock.load(x, r, count, block);
      RowBlock.load(y, sample, 1, row);
      for (int i = 0; i < count; i++) {
        add(block, i * padded, padded, row);
      }
      RowBlock.store(block, out, r, count);
    }
  }

  private static void add(float[] x, int at, int count, float[] y) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      FloatVector.fromArray(S, x, at + i).add(FloatVector.fromArray(S, y, i)).intoArray(x, at + i);
    }
  }
}
