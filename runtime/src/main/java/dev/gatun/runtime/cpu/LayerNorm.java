package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Layer normalisation with affine and modulation in one pass over memory: a row is copied to the
 * first-level cache, where mean, variance (of the differences from the mean, as exact as two passes
 * are) and result are computed.
 *
 * <p>Scratch rows are filled up to whole vectors, so there is no tail: with zeros for the sum, with
 * the mean for the variance. The lanes of a sum are added in a fixed order of our own, because
 * {@code reduceLanes} leaves the order open and interpreted and compiled code then differ in the
 * last bit.
 */
final class LayerNorm implements ThreadTeam.Work {
  private static final VectorSpecies<Float> S = Lanes.F32;

  private final ThreadTeam team;
  private final Scratch[] scratch;

  // The call that is running.
  private MemorySegment x;
  private int xStride;
  private MemorySegment out;
  private int outStride;
  private MemorySegment gamma;
  private MemorySegment beta;
  private MemorySegment shift;
  private int shiftStride;
  private MemorySegment scale;
  private int scaleStride;
  private int rowsPerModulation;
  private int rows;
  private int columns;
  private float eps;

  LayerNorm(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    this.x = x.segment();
    xStride = x.rowStride();
    this.out = out.segment();
    outStride = out.rowStride();
    this.gamma = gamma == null ? null : gamma.segment();
    this.beta = beta == null ? null : beta.segment();
    rows = Math.toIntExact(x.shape().rows());
    columns = x.shape().cols();
    this.shift = shift == null ? null : shift.segment();
    this.scale = scale == null ? null : scale.segment();
    if (shift != null) {
      shiftStride = shift.rowStride();
      scaleStride = scale.rowStride();
      rowsPerModulation = rows / Math.max(1, Math.toIntExact(shift.shape().rows()));
    }
    this.eps = eps;
    team.run(this);
  }

  @Override
  public void run(int worker, int workers) {
    int padded = Math.ceilDiv(columns, Lanes.COUNT) * Lanes.COUNT;
    float[] row = scratch[worker].floats(0, padded);
    float[] factor = scratch[worker].floats(1, padded);
    float[] offset = scratch[worker].floats(2, padded);
    float[] lanes = scratch[worker].floats(3, Lanes.COUNT);
    int end = ThreadTeam.begin(rows, worker + 1, workers);
    int loaded = -1; // the sample whose modulation the buffers hold
    for (int r = ThreadTeam.begin(rows, worker, workers); r < end; r++) {
      MemorySegment.copy(x, Tensor.FLOAT, (long) r * xStride * Float.BYTES, row, 0, columns);
      Arrays.fill(row, columns, padded, 0f);
      float mean = sum(row, padded, lanes) / columns;
      Arrays.fill(row, columns, padded, mean);
      float inverse = (float) (1 / Math.sqrt(squares(row, padded, mean, lanes) / columns + eps));
      normalise(row, padded, mean, inverse);
      if (gamma != null) {
        load(gamma, 0, factor);
        load(beta, 0, offset);
        multiplyAdd(row, factor, 0f, offset, padded);
      }
      if (shift != null) {
        int sample = r / rowsPerModulation;
        if (sample != loaded) {
          load(scale, (long) sample * scaleStride, factor);
          load(shift, (long) sample * shiftStride, offset);
          loaded = gamma == null ? sample : -1; // with an affine the buffers hold that next
        }
        multiplyAdd(row, factor, 1f, offset, padded);
      }
      MemorySegment.copy(row, 0, out, Tensor.FLOAT, (long) r * outStride * Float.BYTES, columns);
    }
  }

  private void load(MemorySegment from, long element, float[] to) {
    MemorySegment.copy(from, Tensor.FLOAT, element * Float.BYTES, to, 0, columns);
  }

  private static float sum(float[] x, int count, float[] lanes) {
    FloatVector a = FloatVector.zero(S), b = FloatVector.zero(S);
    int i = 0;
    for (; i + 2 * Lanes.COUNT <= count; i += 2 * Lanes.COUNT) {
      a = a.add(FloatVector.fromArray(S, x, i));
      b = b.add(FloatVector.fromArray(S, x, i + Lanes.COUNT));
    }
    if (i < count) {
      a = a.add(FloatVector.fromArray(S, x, i));
    }
    a.add(b).intoArray(lanes, 0);
    return addUp(lanes);
  }

  private static float squares(float[] x, int count, float mean, float[] lanes) {
    FloatVector a = FloatVector.zero(S), b = FloatVector.zero(S);
    int i = 0;
    for (; i + 2 * Lanes.COUNT <= count; i += 2 * Lanes.COUNT) {
      var p = FloatVector.fromArray(S, x, i).sub(mean);
      var q = FloatVector.fromArray(S, x, i + Lanes.COUNT).sub(mean);
      a = p.fma(p, a);
      b = q.fma(q, b);
    }
    if (i < count) {
      var p = FloatVector.fromArray(S, x, i).sub(mean);
      a = p.fma(p, a);
    }
    a.add(b).intoArray(lanes, 0);
    return addUp(lanes);
  }

  /** The sum of one vector's lanes, as four chains. */
  private static float addUp(float[] lanes) {
    float a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
    for (int i = 4; i < Lanes.COUNT; i += 4) {
      a += lanes[i];
      b += lanes[i + 1];
      c += lanes[i + 2];
      d += lanes[i + 3];
    }
    return (a + b) + (c + d);
  }

  private static void normalise(float[] x, int count, float mean, float inverse) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      FloatVector.fromArray(S, x, i).sub(mean).mul(inverse).intoArray(x, i);
    }
  }

  /** {@code x = x·(factor + plus) + offset}. */
  private static void multiplyAdd(
      float[] x, float[] factor, float plus, float[] offset, int count) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var f = FloatVector.fromArray(S, factor, i).add(plus);
      var o = FloatVector.fromArray(S, offset, i);
      FloatVector.fromArray(S, x, i).fma(f, o).intoArray(x, i);
    }
  }
}
