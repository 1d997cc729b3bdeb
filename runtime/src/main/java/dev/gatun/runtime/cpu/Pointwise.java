package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Pointwise functions on a run of floats, each a loop of its own: a loop over a function that is
 * passed in costs 25 times as much as soon as there are two functions.
 *
 * <p>The last, incomplete vector is computed in full from a copy, so every element sees the same
 * arithmetic wherever it stands.
 */
final class Pointwise {
  private static final VectorSpecies<Float> S = Lanes.F32;

  private Pointwise() {}

  /** {@code x = activation(x)} for {@code count} elements from {@code at}. */
  static void activate(Activation activation, float[] x, int at, int count) {
    switch (activation) {
      case IDENTITY -> {}
      case SILU -> swish(x, at, count, 1f);
      case QUICK_GELU -> swish(x, at, count, 1.702f);
      case GELU_TANH -> geluTanh(x, at, count);
      case GELU_ERF -> geluErf(x, at, count);
    }
  }

  private static void swish(float[] x, int at, int count, float k) {
    int i = at;
    for (int end = at + S.loopBound(count); i < end; i += Lanes.COUNT) {
      VectorMath.swish(FloatVector.fromArray(S, x, i), k).intoArray(x, i);
    }
    if (i < at + count) {
      var rest = S.indexInRange(i, at + count);
      VectorMath.swish(FloatVector.fromArray(S, x, i, rest), k).intoArray(x, i, rest);
    }
  }

  private static void geluTanh(float[] x, int at, int count) {
    int i = at;
    for (int end = at + S.loopBound(count); i < end; i += Lanes.COUNT) {
      VectorMath.geluTanh(FloatVector.fromArray(S, x, i)).intoArray(x, i);
    }
    if (i < at + count) {
      var rest = S.indexInRange(i, at + count);
      VectorMath.geluTanh(FloatVector.fromArray(S, x, i, rest)).intoArray(x, i, rest);
    }
  }

  private static void geluErf(float[] x, int at, int count) {
    int i = at;
    for (int end = at + S.loopBound(count); i < end; i += Lanes.COUNT) {
      VectorMath.geluErf(FloatVector.fromArray(S, x, i)).intoArray(x, i);
    }
    if (i < at + count) {
      var rest = S.indexInRange(i, at + count);
      VectorMath.geluErf(FloatVector.fromArray(S, x, i, rest)).intoArray(x, i, rest);
    }
  }

  /** {@code x = exp(a·x + b)}, 0 and infinity included. */
  static void exp(float a, float[] x, float b, int count) {
    int i = 0;
    for (int end = S.loopBound(count); i < end; i += Lanes.COUNT) {
      var y = FloatVector.fromArray(S, x, i).mul(a).add(b);
      saturate(y, VectorMath.exp(y)).intoArray(x, i);
    }
    if (i < count) {
      var rest = S.indexInRange(i, count);
      var y = FloatVector.fromArray(S, x, i, rest).mul(a).add(b);
      saturate(y, VectorMath.exp(y)).intoArray(x, i, rest);
    }
  }

  /** The ends that {@link VectorMath#exp} leaves out because a softmax does not need them. */
  private static FloatVector saturate(FloatVector y, FloatVector exp) {
    return exp.blend(0f, y.compare(VectorOperators.LT, VectorMath.EXP_MIN))
        .blend(Float.POSITIVE_INFINITY, y.compare(VectorOperators.GT, VectorMath.EXP_MAX));
  }

  /** {@code x = x + y}. */
  static void add(float[] x, float[] y, int count) {
    for (int i = 0; i < count; i++) {
      x[i] += y[i];
    }
  }

  /** {@code x = x·y + z}. */
  static void multiplyAdd(float[] x, float[] y, float[] z, int count) {
    for (int i = 0; i < count; i++) {
      x[i] = x[i] * y[i] + z[i];
    }
  }

  /** {@code x = a·x}. */
  static void scale(float a, float[] x, int count) {
    for (int i = 0; i < count; i++) {
      x[i] *= a;
    }
  }

  /** {@code x = a·x + b·y}. */
  static void combine(float a, float[] x, float b, float[] y, int count) {
    for (int i = 0; i < count; i++) {
      x[i] = a * x[i] + b * y[i];
    }
  }

  /** {@code x = min(max(x, low), high)}. */
  static void clamp(float[] x, float low, float high, int count) {
    for (int i = 0; i < count; i++) {
      x[i] = Math.min(Math.max(x[i], low), high);
    }
  }
}
