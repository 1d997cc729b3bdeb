package dev.gatun.runtime.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Elementary functions of a vector, as polynomials: the same bits on every operating system and
 * vector width, without a native library. Each is small enough to be inlined; a vector must never
 * cross a real call.
 */
final class VectorMath {
  private static final VectorSpecies<Float> S = Lanes.F32;

  private static final float LOG2_E = 1.44269504f;
  // ln 2 in two parts, so that n·LN2_HIGH is exact for every n that occurs.
  private static final float LN2_HIGH = 0.693359375f;
  private static final float LN2_LOW = -2.12194440e-4f;
  // Adding 1.5·2²³ rounds a float below 2²² to an integer, which then stands in its low bits.
  private static final float ROUND = 12582912f;
  static final float EXP_MAX = 88.72283f;
  static final float EXP_MIN = -87.3365448f;

  private VectorMath() {}

  /**
   * {@code e^x} with a relative error below 2·10⁻⁷; x is first clamped to where the result is a
   * normal float (so −∞ gives 1.2·10⁻³⁸, not 0).
   *
   * <p>{@code e^x = 2ⁿ·e^r} with {@code n = round(x / ln 2)} and the polynomial of Cephes {@code
   * expf} for {@code |r| ≤ ½ ln 2}.
   */
  static FloatVector exp(FloatVector x) {
    var clamped = x.max(EXP_MIN).min(EXP_MAX);
    var shifted = clamped.fma(FloatVector.broadcast(S, LOG2_E), FloatVector.broadcast(S, ROUND));
    var n = shifted.sub(ROUND);
    var r = n.fma(FloatVector.broadcast(S, -LN2_HIGH), clamped);
    r = n.fma(FloatVector.broadcast(S, -LN2_LOW), r);
    var p = FloatVector.broadcast(S, 1.9875691500e-4f);
    p = p.fma(r, FloatVector.broadcast(S, 1.3981999507e-3f));
    p = p.fma(r, FloatVector.broadcast(S, 8.3334519073e-3f));
    p = p.fma(r, FloatVector.broadcast(S, 4.1665795894e-2f));
    p = p.fma(r, FloatVector.broadcast(S, 1.6666665459e-1f));
    p = p.fma(r, FloatVector.broadcast(S, 5.0000001201e-1f));
    p = p.fma(r.mul(r), r).add(1f);
    // The low bits of `shifted` are n; adding n to the exponent of p multiplies by 2ⁿ.
    var exponent = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    return p.reinterpretAsInts().add(exponent).reinterpretAsFloats();
  }

  /** {@code x·σ(kx) = x / (1 + e^(−kx))}: SiLU for k = 1, quick GELU for k = 1.702. */
  static FloatVector swish(FloatVector x, float k) {
    return x.div(exp(x.mul(-k)).add(1f));
  }

  /** {@code ½x(1 + tanh u) = x / (1 + e^(−2u))} with {@code u = √(2/π)(x + 0.044715x³)}. */
  static FloatVector geluTanh(FloatVector x) {
    var cubic =
        x.mul(x)
            .fma(
                FloatVector.broadcast(S, -2 * 0.7978845608f * 0.044715f),
                FloatVector.broadcast(S, -2 * 0.7978845608f));
    return x.div(exp(x.mul(cubic)).add(1f));
  }

  /**
   * {@code ½x(1 + erf(x/√2))}, with erf as the odd rational function of degree 13 over 8 that Eigen
   * uses, accurate to some units of the last place; beyond ±4 erf is ±1 in f32.
   */
  static FloatVector geluErf(FloatVector x) {
    var z = x.mul(0.70710678f).max(-4f).min(4f);
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
    var erf = z.mul(p).div(q).max(-1f).min(1f);
    return x.mul(0.5f).mul(erf.add(1f));
  }
}
