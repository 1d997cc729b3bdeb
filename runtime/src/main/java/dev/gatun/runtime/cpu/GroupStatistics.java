package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Tensor;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Mean and variance of the groups of channels of every sample, from one pass over memory.
 *
 * <p>The positions of a sample are cut into chunks that fit in the second-level cache. There the
 * means of the channels are taken first, then the squares of the differences from them, as exact as
 * two passes are; the chunks of a group are put together in double (Chan, Golub and LeVeque,
 * "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979). A chunk
 * depends on the number of channels alone and they are added in order, so neither batch nor threads
 * change a bit.
 */
final class GroupStatistics implements ThreadTeam.Work {
  /** Floats of a chunk. */
  private static final int CHUNK = 1 << 15;

  private static final VectorSpecies<Float> S = Lanes.F32;

  private final ThreadTeam team;
  private final Scratch[] scratch;

  // The call that is running.
  private Tensor x;
  private int samples;
  private int positions;
  private int channels;
  private int groups;
  private int rows; // of a chunk
  private int chunks; // of a sample

  /** Mean, and sum of the squared differences from it: {@code [sample][chunk][group][2]}. */
  private double[] parts = new double[0];

  /** {@code [sample][group]} */
  private double[] means = new double[0];

  private double[] variances = new double[0];

  GroupStatistics(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  /** Computes them for a tensor of at least one position. */
  void compute(Tensor x, int groups) {
    this.x = x;
    this.groups = groups;
    samples = x.dim(0);
    channels = x.shape().cols();
    positions = Math.toIntExact(x.shape().rows() / samples);
    rows = RowBlock.rows(CHUNK, RowBlock.padded(channels));
    chunks = Math.ceilDiv(positions, rows);
    parts = atLeast(parts, samples * chunks * groups * 2);
    means = atLeast(means, samples * groups);
    variances = atLeast(variances, samples * groups);
    if (x.shape().size() < CHUNK) {
      run(0, 1);
    } else {
      team.run(this);
    }
    for (int n = 0; n < samples; n++) {
      for (int g = 0; g < groups; g++) {
        combine(n, g);
      }
    }
  }

  double mean(int sample, int group) {
    return means[sample * groups + group];
  }

  /** The biased variance. */
  double variance(int sample, int group) {
    return variances[sample * groups + group];
  }

  @Override
  public void run(int worker, int workers) {
    int padded = RowBlock.padded(channels);
    float[] block = scratch[worker].floats(0, rows * padded);
    float[] center = scratch[worker].floats(1, padded);
    float[] sums = scratch[worker].floats(2, padded);
    float[] squares = scratch[worker].floats(3, padded);
    int end = ThreadTeam.begin(samples * chunks, worker + 1, workers);
    for (int i = ThreadTeam.begin(samples * chunks, worker, workers); i < end; i++) {
      int first = i % chunks * rows;
      int count = Math.min(rows, positions - first);
      RowBlock.load(x, (long) (i / chunks) * positions + first, count, block);
      means(block, count, padded, center);
      deviations(block, count, padded, center, sums, squares);
      int size = channels / groups;
      for (int g = 0; g < groups; g++) {
        part(g * size, size, count, center, sums, squares, (i * groups + g) * 2);
      }
    }
  }

  /** Means of the channels, as good as f32 has them. */
  private static void means(float[] block, int count, int padded, float[] center) {
    Arrays.fill(center, 0, padded, 0f);
    int r = 0;
    for (; r + 4 <= count; r += 4) {
      addRows(block, r * padded, padded, center);
    }
    for (; r < count; r++) {
      addRow(block, r * padded, padded, center);
    }
    for (int c = 0; c < padded; c += Lanes.COUNT) {
      FloatVector.fromArray(S, center, c).div(count).intoArray(center, c);
    }
  }

  /** Four rows, which are read in the order of memory; a sum is loaded and stored once for them. */
  private static void addRows(float[] x, int at, int padded, float[] sums) {
    for (int c = 0; c < padded; c += Lanes.COUNT) {
      var p = FloatVector.fromArray(S, x, at + c);
      p = p.add(FloatVector.fromArray(S, x, at + padded + c));
      var q = FloatVector.fromArray(S, x, at + 2 * padded + c);
      q = q.add(FloatVector.fromArray(S, x, at + 3 * padded + c));
      FloatVector.fromArray(S, sums, c).add(p.add(q)).intoArray(sums, c);
    }
  }

  private static void addRow(float[] x, int at, int padded, float[] sums) {
    for (int c = 0; c < padded; c += Lanes.COUNT) {
      var p = FloatVector.fromArray(S, x, at + c);
      FloatVector.fromArray(S, sums, c).add(p).intoArray(sums, c);
    }
  }

  /** Sums of the differences from the center, and of their squares. */
  private static void deviations(
      float[] block, int count, int padded, float[] center, float[] sums, float[] squares) {
    Arrays.fill(sums, 0, padded, 0f);
    Arrays.fill(squares, 0, padded, 0f);
    int r = 0;
    for (; r + 4 <= count; r += 4) {
      deviationsOfRows(block, r * padded, padded, center, sums, squares);
    }
    for (; r < count; r++) {
      deviationsOfRow(block, r * padded, padded, center, sums, squares);
    }
  }

  private static void deviationsOfRows(
      float[] x, int at, int padded, float[] center, float[] sums, float[] squares) {
    for (int c = 0; c < padded; c += Lanes.COUNT) {
      var m = FloatVector.fromArray(S, center, c);
      var p = FloatVector.fromArray(S, x, at + c).sub(m);
      var q = FloatVector.fromArray(S, x, at + padded + c).sub(m);
      var s = p.add(q);
      var t = q.fma(q, p.mul(p));
      p = FloatVector.fromArray(S, x, at + 2 * padded + c).sub(m);
      q = FloatVector.fromArray(S, x, at + 3 * padded + c).sub(m);
      s = s.add(p.add(q));
      t = t.add(q.fma(q, p.mul(p)));
      FloatVector.fromArray(S, sums, c).add(s).intoArray(sums, c);
      FloatVector.fromArray(S, squares, c).add(t).intoArray(squares, c);
    }
  }

  private static void deviationsOfRow(
      float[] x, int at, int padded, float[] center, float[] sums, float[] squares) {
    for (int c = 0; c < padded; c += Lanes.COUNT) {
      var p = FloatVector.fromArray(S, x, at + c).sub(FloatVector.fromArray(S, center, c));
      FloatVector.fromArray(S, sums, c).add(p).intoArray(sums, c);
      p.fma(p, FloatVector.fromArray(S, squares, c)).intoArray(squares, c);
    }
  }

  /** One group of one chunk, from its channels. */
  private void part(
      int first, int size, int count, float[] center, float[] sums, float[] squares, int to) {
    double total = 0;
    for (int c = first; c < first + size; c++) {
      total += (double) center[c] * count + sums[c];
    }
    double mean = total / ((double) size * count);
    double around = 0;
    for (int c = first; c < first + size; c++) {
      // Σ(x - mean)² = Σ(x - center)² + 2·d·Σ(x - center) + count·d² with d = center - mean
      double d = center[c] - mean;
      around += squares[c] + d * (2 * sums[c] + d * count);
    }
    parts[to] = mean;
    parts[to + 1] = around;
  }

  /** One group of a sample, from its chunks. */
  private void combine(int n, int g) {
    double total = 0;
    for (int k = 0; k < chunks; k++) {
      total += part(n, k, g, 0) * count(k);
    }
    double mean = total / positions;
    int size = channels / groups;
    double around = 0;
    for (int k = 0; k < chunks; k++) {
      double d = part(n, k, g, 0) - mean;
      around += part(n, k, g, 1) + d * d * count(k) * size;
    }
    means[n * groups + g] = mean;
    variances[n * groups + g] = around / ((double) positions * size);
  }

  private double part(int n, int chunk, int g, int which) {
    return parts[((n * chunks + chunk) * groups + g) * 2 + which];
  }

  private int count(int chunk) {
    return Math.min(rows, positions - chunk * rows);
  }

  private static double[] atLeast(double[] array, int size) {
    return array.length < size ? new double[size] : array;
  }
}
