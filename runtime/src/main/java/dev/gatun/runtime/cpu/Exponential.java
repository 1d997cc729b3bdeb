package dev.gatun.runtime.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@code e^x} as a polynomial: the same bits on every operating system and vector width, without a
 * native library, and reached through arrays alone. A function from vector to vector would be
 * faster by one load and store, if it were inlined; whether it is depends on what was compiled
 * first, and where it is not, each vector becomes an object on the heap.
 */
final class Exponential {
  private static final VectorSpecies<Float> S = Lanes.F32;

  /** From here on the result is infinite. */
  static final float MAX = 88.72283f;

  /** Below, the result is no normal float. */
  static final float MIN = -87.3365448f;

  /** {@link #MIN} for powers of 2. */
  static final float MIN2 = -126;

  static final float LOG2_E = 1.44269504f;
  static final float LN2 = 0.693147181f;
  // ln 2 in two parts, so that n·LN2_HIGH is exact for every n that occurs.
  private static final float LN2_HIGH = 0.693359375f;
  private static final float LN2_LOW = -2.12194440e-4f;
  // 2^r for |r| ≤ ½ is P6·r⁶ + … + P1·r + 1: Cephes exp2f.
  static final float P6 = 1.535336188319500e-4f;
  static final float P5 = 1.339887440266574e-3f;
  static final float P4 = 9.618437357674640e-3f;
  static final float P3 = 5.550332471162809e-2f;
  static final float P2 = 2.402264791363012e-1f;
  static final float P1 = 6.931472028550421e-1f;
  // Adding 1.5·2²³ rounds a float below 2²² to an integer, which then stands in its low bits.
  static final float ROUND = 12582912f;

  private Exponential() {}

  /**
   * {@code x = e^x} with a relative error below 2·10⁻⁷. What exceeds {@link #MAX} or {@link #MIN}
   * is taken for these, so −∞ gives 1.2·10⁻³⁸, which is 0 enough for a softmax.
   *
   * <p>{@code e^x = 2ⁿ·e^r} with {@code n = round(x / ln 2)} and the polynomial of Cephes {@code
   * expf} for {@code |r| ≤ ½ ln 2}.
   *
   * @param at where to begin
   * @param count how many elements; rounded up to whole vectors, for which there must be room
   */
  static void exp(float[] x, int at, int count) {
    for (int i = at; i < at + count; i += Lanes.COUNT) {
      // compare and blend: max and min would spend more on the order of NaN and of the two zeros
      var v = FloatVector.fromArray(S, x, i);
      v = v.blend(MIN, v.compare(VectorOperators.LT, MIN));
      var clamped = v.blend(MAX, v.compare(VectorOperators.GT, MAX));
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
      p.reinterpretAsInts().add(exponent).reinterpretAsFloats().intoArray(x, i);
    }
  }

  /**
   * A column of a softmax, one vector wide in rows of {@link MicroKernel#WIDTH}, in one pass:
   * {@code x = 2^(x − m)}, and the sum of these is added to where sums stand. No x may exceed its
   * m. With base 2 the remainder {@code r = x − round(x)} is exact, which spares a fifth of the
   * time; the caller multiplies by {@code 1 / ln 2} where it scales anyway. Below {@code m − 126}
   * the result is 0: what is hidden has no weight, however many numbers there are.
   *
   * <p>The relative error is below 2·10⁻⁷.
   *
   * @param from index of the first vector
   * @param to where to end
   * @param m index of the maxima
   * @param sum index of the sums
   */
  static void exp2Minus(float[] x, int from, int to, int m, int sum) {
    var max = FloatVector.fromArray(S, x, m);
    var total = FloatVector.fromArray(S, x, sum);
    for (int i = from; i < to; i += MicroKernel.WIDTH) {
      var v = FloatVector.fromArray(S, x, i).sub(max);
      var nothing = v.compare(VectorOperators.LT, MIN2);
      var shifted = v.add(ROUND);
      var r = v.sub(shifted.sub(ROUND));
      var p = FloatVector.broadcast(S, P6);
      p = p.fma(r, FloatVector.broadcast(S, P5));
      p = p.fma(r, FloatVector.broadcast(S, P4));
      p = p.fma(r, FloatVector.broadcast(S, P3));
      p = p.fma(r, FloatVector.broadcast(S, P2));
      p = p.fma(r, FloatVector.broadcast(S, P1));
      p = p.fma(r, FloatVector.broadcast(S, 1f));
      var exponent = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
      var power = p.reinterpretAsInts().add(exponent).reinterpretAsFloats().blend(0f, nothing);
      power.intoArray(x, i);
      total = total.add(power);
    }
    total.intoArray(x, sum);
  }
}
