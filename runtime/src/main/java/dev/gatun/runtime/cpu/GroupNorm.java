package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Group normalisation in two passes over memory: {@link GroupStatistics}, then {@code activation((x
 * - center)·factor + offset)} with three numbers for each channel of a sample, into which affine
 * and modulation are folded.
 *
 * <p>The center is the mean in f32: next to it the difference is exact, however far from zero the
 * numbers are; what the mean had more is in the offset.
 */
final class GroupNorm implements ThreadTeam.Work {
  /** Floats that are normalised at a time; they stay in the first-level cache. */
  private static final int RUN = 2048;

  /** Floats that a worker takes at a time. */
  private static final int UNIT = 8 * RUN;

  /** Fewer elements than this are not worth waking a thread. */
  private static final int SHARED = 16 * RUN;

  private static final VectorSpecies<Float> S = Lanes.F32;

  private final ThreadTeam team;
  private final Scratch[] scratch;
  private final GroupStatistics statistics;
  private final BrainNorm[] brain;

  // The call that is running.
  private Tensor x;
  private Tensor out;
  private Activation activation;
  private int positions;
  private int padded;

  /** {@code [sample][padded channels]} each. */
  private float[] centers = new float[0];

  private float[] factors = new float[0];
  private float[] offsets = new float[0];

  /**
   * A normalisation.
   *
   * @param brain what normalises in machine code, one for each worker; null for the Vector API
   */
  GroupNorm(ThreadTeam team, Scratch[] scratch, BrainNorm[] brain) {
    this.team = team;
    this.scratch = scratch;
    this.brain = brain;
    statistics = new GroupStatistics(team, scratch);
  }

  void groupNorm(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor out) {
    if (x.shape().size() == 0) {
      return;
    }
    this.x = x;
    this.out = out;
    this.activation = activation;
    int samples = x.dim(0);
    positions = Math.toIntExact(x.shape().rows() / samples);
    padded = RowBlock.padded(x.shape().cols());
    if (centers.length < samples * padded) {
      centers = new float[samples * padded];
      factors = new float[samples * padded];
      offsets = new float[samples * padded];
    }
    statistics.compute(x, groups);
    for (int n = 0; n < samples; n++) {
      fold(n, groups, gamma, beta, shift, scale, eps);
    }
    if (x.shape().size() < SHARED) {
      team.runAlone(this);
    } else {
      team.run(this);
    }
  }

  /** The three numbers of every channel of a sample. */
  private void fold(
      int n, int groups, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps) {
    int channels = x.shape().cols();
    int size = channels / groups;
    for (int c = 0; c < channels; c++) {
      double mean = statistics.mean(n, c / size);
      double factor = gamma.getFloat(c) / Math.sqrt(statistics.variance(n, c / size) + eps);
      float center = (float) mean;
      double offset = beta.getFloat(c) + (center - mean) * factor;
      if (scale != null) {
        long at = (long) n * channels + c;
        double by = 1.0 + scale.getFloat(at);
        factor *= by;
        offset = offset * by + shift.getFloat(at);
      }
      centers[n * padded + c] = center;
      factors[n * padded + c] = (float) factor;
      offsets[n * padded + c] = (float) offset;
    }
  }

  @Override
  public void run(int worker, int workers) {
    int rows = Math.toIntExact(x.shape().rows());
    int most = RowBlock.rows(UNIT, padded);
    int units = Math.ceilDiv(positions, most);
    int all = Math.multiplyExact(units, rows / positions);
    int prepared = -1;
    for (int unit; (unit = team.take()) < all; ) {
      int sample = unit / units;
      int first = unit % units * most;
      int row = sample * positions + first;
      int count = Math.min(most, positions - first);
      if (brain == null) {
        normalise(worker, sample, row, count);
        continue;
      }
      if (sample != prepared) {
        brain[worker].set(centers, factors, offsets, sample * padded, x.shape().cols());
        prepared = sample;
      }
      brain[worker].normalise(activation, x, out, row, count);
    }
  }

  /** Rows of a sample with the Vector API. */
  private void normalise(int worker, int sample, int row, int count) {
    int most = RowBlock.rows(RUN, padded);
    float[] block = scratch[worker].floats(0, most * padded);
    float[] t = scratch[worker].floats(1, most * padded);
    for (int end = row + count, some; row < end; row += some) {
      some = Math.min(most, end - row);
      RowBlock.load(x, row, some, block);
      for (int r = 0; r < some; r++) {
        normalise(block, r * padded, padded, sample * padded, centers, factors, offsets);
      }
      Pointwise.activate(activation, block, 0, some * padded, t);
      RowBlock.store(block, out, row, some);
    }
  }

  private static void normalise(
      float[] x, int at, int count, int from, float[] centers, float[] factors, float[] offsets) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var f = FloatVector.fromArray(S, factors, from + i);
      var o = FloatVector.fromArray(S, offsets, from + i);
      var m = FloatVector.fromArray(S, centers, from + i);
      FloatVector.fromArray(S, x, at + i).sub(m).fma(f, o).intoArray(x, at + i);
    }
  }
}
