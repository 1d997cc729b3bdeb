package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Pointwise functions on a run of floats, each a loop of its own: a loop over a function that is
 * passed in costs 25 times as much as soon as there are two functions.
 *
 * <p>A count is rounded up to whole vectors, for which the buffers must have room; so there are no
 * tails, and every element sees the same arithmetic wherever it stands.
 */
final class Pointwise {
  private static final VectorSpecies<Float> S = Lanes.F32;

  // √(2/π), of tanh-GELU
  private static final float SQRT_2_PI = 0.7978845608f;

  /** Largest exponent of a power of 2. */
  private static final float MAX2 = 127;

  private Pointwise() {}

  /**
   * {@code x = activation(x)}.
   *
   * @param at where to begin
   * @param t a buffer of {@code count} elements
   */
  static void activate(Activation activation, float[] x, int at, int count, float[] t) {
    switch (activation) {
      case IDENTITY -> {}
      case SILU -> gate(x, at, count, -1f, 0f);
      case QUICK_GELU -> gate(x, at, count, -1.702f, 0f);
      // ½(1 + tanh u) = 1 / (1 + e^(−2u)) with u = √(2/π)(x + 0.044715x³)
      case GELU_TANH -> gate(x, at, count, -2 * SQRT_2_PI, -2 * SQRT_2_PI * 0.044715f);
      case GELU_ERF -> geluErf(x, at, count, t);
      case RELU -> relu(x, at, count);
    }
  }

  /**
   * {@code x / (1 + e^(x(a + bx²)))}: the sigmoid units SiLU, quick GELU and tanh-GELU. In one
   * pass, with a power of 2 as in {@link Exponential#exp2Minus}.
   */
  private static void gate(float[] x, int at, int count, float a, float b) {
    float a2 = a * Exponential.LOG2_E;
    float b2 = b * Exponential.LOG2_E;
    for (int i = at; i < at + count; i += Lanes.COUNT) {
      var v = FloatVector.fromArray(S, x, i);
      // in this order, because x² may be infinite, and 0 times that is no number
      var u = v.mul(b2).fma(v, FloatVector.broadcast(S, a2)).mul(v);
      u = u.blend(Exponential.MIN2, u.compare(VectorOperators.LT, Exponential.MIN2));
      u = u.blend(MAX2, u.compare(VectorOperators.GT, MAX2));
      var shifted = u.add(Exponential.ROUND);
      var r = u.sub(shifted.sub(Exponential.ROUND));
      var p = FloatVector.broadcast(S, Exponential.P6);
      p = p.fma(r, FloatVector.broadcast(S, Exponential.P5));
      p = p.fma(r, FloatVector.broadcast(S, Exponential.P4));
      p = p.fma(r, FloatVector.broadcast(S, Exponential.P3));
      p = p.fma(r, FloatVector.broadcast(S, Exponential.P2));
      p = p.fma(r, FloatVector.broadcast(S, Exponential.P1));
      p = p.fma(r, FloatVector.broadcast(S, 1f));
      var exponent = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
      var power = p.reinterpretAsInts().add(exponent).reinterpretAsFloats();
      v.div(power.add(1f)).intoArray(x, i);
    }
  }

  /** {@code x·Φ(x)}. */
  private static void geluErf(float[] x, int at, int count, float[] t) {
    normalDistribution(x, at, count, t);
    for (int i = 0; i < count; i += Lanes.COUNT) {
      var v = FloatVector.fromArray(S, x, at + i);
      v.mul(FloatVector.fromArray(S, t, i)).intoArray(x, at + i);
    }
  }

  /**
   * {@code Φ(x) = ½(1 + erf(x/√2))}, with erf as the odd rational function of degree 13 over 8 that
   * Eigen uses, accurate to some units of the last place; beyond ±4 erf is ±1 in f32.
   *
   * @param to receives the result, from its beginning on; may be x if {@code at} is 0
   */
  static void normalDistribution(float[] x, int at, int count, float[] to) {
    for (int i = 0; i < count; i += Lanes.COUNT) {
      // compare and blend: max and min would spend more on the order of NaN and of the two zeros
      var z = FloatVector.fromArray(S, x, at + i).mul(0.70710678f);
      z = z.blend(-4f, z.compare(VectorOperators.LT, -4f));
      z = z.blend(4f, z.compare(VectorOperators.GT, 4f));
      var z2 = z.mul(z);
      var p = FloatVector.broadcast(S, -2.72614225801306e-10f);
      p = p.fma(z2, FloatVector.broadcast(S, 2.77068142495902e-08f));
      p = p.fma(z2, FloatVector.broadcast(S, -2.10102402082508e-06f));
      p = p.fma(z2, FloatVector.broadcast(S, -5.69250639462346e-05f));
      p = p.fma(z2, FloatVector.broadcast(S, -7.34990630326855e-04f));
      p = p.fma(z2, FloatVector.broadcast(S, -2.95459980854025e-03f));
      p = p.fma(z2, FloatVector.broadcast(S, -1.60960333262415e-02f));
      var q = FloatVector.broadcast(S, -1.45660718464996e-05f);
      q = q.fma(z2, FloatVector.broadcast(S, -2.13374055278905e-04f));
      q = q.fma(z2, FloatVector.broadcast(S, -1.68282697438203e-03f));
      q = q.fma(z2, FloatVector.broadcast(S, -7.37332916720468e-03f));
      q = q.fma(z2, FloatVector.broadcast(S, -1.42647390514189e-02f));
      var erf = z.mul(p).div(q);
      erf = erf.blend(-1f, erf.compare(VectorOperators.LT, -1f));
      erf = erf.blend(1f, erf.compare(VectorOperators.GT, 1f));
      erf.add(1f).mul(0.5f).intoArray(to, i);
    }
  }

  private static void relu(float[] x, int at, int count) {
    for (int i = at; i < at + count; i++) {
      x[i] = Math.max(x[i], 0f);
    }
  }

  /**
   * {@code x = exp(a·x + b)}, 0 and infinity included.
   *
   * @param t a buffer of {@code count} elements
   */
  static void exp(float a, float[] x, float b, int count, float[] t) {
    for (int i = 0; i < count; i++) {
      x[i] = a * x[i] + b;
    }
    System.arraycopy(x, 0, t, 0, count);
    Exponential.exp(t, 0, count);
    for (int i = 0; i < count; i++) {
      float saturated = x[i] > Exponential.MAX ? Float.POSITIVE_INFINITY : 0f;
      x[i] = x[i] > Exponential.MAX || x[i] < Exponential.MIN ? saturated : t[i];
    }
  }

  /** {@code x = x + y}. */
  static void add(float[] x, float[] y, int count) {
    for (int i = 0; i < count; i++) {
      x[i] += y[i];
    }
  }

  /** {@code x = x·y}. */
  static void multiply(float[] x, float[] y, int count) {
    for (int i = 0; i < count; i++) {
      x[i] *= y[i];
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
