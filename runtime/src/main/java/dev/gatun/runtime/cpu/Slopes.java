package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The derivatives of the activations on a run of floats; counts are rounded up to whole vectors, as
 * in {@link Pointwise}.
 */
final class Slopes {
  private static final VectorSpecies<Float> S = Lanes.F32;

  // √(2/π), of tanh-GELU, and 1/√(2π), of the normal density
  private static final float SQRT_2_PI = 0.7978845608f;
  private static final float DENSITY = 0.3989422804f;

  /** Beyond, a sigmoid is 0 or 1 and its slope 0; the square is no number that overflows. */
  private static final float FAR = 100f;

  private Slopes() {}

  /**
   * {@code x = activation'(x)}; 0 for ReLU at 0.
   *
   * @param t a buffer of {@code count} elements
   */
  static void slope(Activation activation, float[] x, int count, float[] t) {
    switch (activation) {
      case IDENTITY -> Arrays.fill(x, 0, count, 1f);
      case SILU -> sigmoidUnit(x, count, -1f, 0f, t);
      case QUICK_GELU -> sigmoidUnit(x, count, -1.702f, 0f, t);
      case GELU_TANH -> sigmoidUnit(x, count, -2 * SQRT_2_PI, -2 * SQRT_2_PI * 0.044715f, t);
      case GELU_ERF -> geluErf(x, count, t);
      case RELU -> relu(x, count);
    }
  }

  /**
   * That of {@code x·σ(u)} with {@code u = −x(a + bx²)}: {@code σ + xu'σ(1 − σ)}, where {@code 1 −
   * σ = e^−u·σ}.
   */
  private static void sigmoidUnit(float[] x, int count, float a, float b, float[] t) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var v = FloatVector.fromArray(S, x, i).max(-FAR).min(FAR);
      v.mul(v).mul(b).add(a).mul(v).intoArray(t, i);
      v.intoArray(x, i);
    }
    Exponential.exp(t, 0, count);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var v = FloatVector.fromArray(S, x, i);
      var e = FloatVector.fromArray(S, t, i);
      var sigmoid = FloatVector.broadcast(S, 1f).div(e.add(1f));
      // −x·u', without the sign
      var slope = v.mul(v).mul(3 * b).add(a).mul(v);
      var rest = FloatVector.broadcast(S, 1f).sub(sigmoid);
      slope.neg().mul(rest).add(1f).mul(sigmoid).intoArray(x, i);
    }
  }

  /** {@code Φ(x) + x·φ(x)} with distribution Φ and density φ of the normal distribution. */
  private static void geluErf(float[] x, int count, float[] t) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var v = FloatVector.fromArray(S, x, i).max(-FAR).min(FAR);
      v.mul(v).mul(-0.5f).intoArray(t, i);
      v.intoArray(x, i);
    }
    Exponential.exp(t, 0, count);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var v = FloatVector.fromArray(S, x, i);
      v.mul(FloatVector.fromArray(S, t, i)).mul(DENSITY).intoArray(t, i);
    }
    Pointwise.normalDistribution(x, 0, count, x);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      FloatVector.fromArray(S, x, i).add(FloatVector.fromArray(S, t, i)).intoArray(x, i);
    }
  }

  private static void relu(float[] x, int count) {
    for (int i = 0; i < count; i++) {
      x[i] = x[i] > 0 ? 1f : 0f;
    }
  }
}
