package dev.gatun.runtime.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The three one-dimensional transforms of the minimal filtering algorithm F(4, 3) of Winograd
 * (1980), as Lavin and Gray use them ("Fast Algorithms for Convolutional Neural Networks", 2015):
 * four results of a filter with three taps by six products, {@code y = Aᵀ((G·g) ⊙ (Bᵀ·d))}. The
 * two-dimensional transform is the same one along the lines and then down the columns.
 *
 * <p>The products are values of polynomials at the points {@code 0, p, −p, q, −q, ∞}. The usual
 * points 1 and 2 lose about two bits more than a direct sum; {@code p = ⅝} and {@code q = 3⁄2} lose
 * about one (root mean square error of 384 channels: 1.7·10⁻⁶ of the result, 1.1·10⁻⁶ if direct,
 * 3.9·10⁻⁶ for 1 and 2; of 16 channels 4.8·10⁻⁷ and 2.0·10⁻⁷), and all factors of {@code A} and
 * {@code B} remain exact.
 *
 * <p>Each method transforms many columns of numbers at once: element {@code i} of column {@code j}
 * is at index {@code at + i·step + j}.
 */
final class WinogradTransform {
  private static final VectorSpecies<Float> S = Lanes.F32;

  /** Results of a line. */
  static final int OUT = 4;

  /** Points, which is also how many numbers of a line the results depend on. */
  static final int POINTS = 6;

  /** Taps of the filter. */
  static final int TAPS = 3;

  private static final float P = 0.625f;
  private static final float Q = 1.5f;
  private static final float P2 = P * P;
  private static final float Q2 = Q * Q;
  private static final float P3 = P * P2;
  private static final float Q3 = Q * Q2;

  /** One over the product of the distances of a point from the other ones. */
  private static final float AT_ZERO = (float) (1.0 / ((double) P2 * Q2));

  private static final float AT_P = (float) (1.0 / (2.0 * P2 * ((double) P2 - Q2)));
  private static final float AT_Q = (float) (1.0 / (2.0 * Q2 * ((double) Q2 - P2)));

  private WinogradTransform() {}

  /** {@code Bᵀ·d}: six numbers of the operand to six points. */
  static void input(float[] d, int at, int step, float[] to, int toAt, int toStep, int count) {
    for (int j = 0; j < count; j += Lanes.COUNT) {
      int i = at + j;
      var d0 = FloatVector.fromArray(S, d, i);
      var d1 = FloatVector.fromArray(S, d, i + step);
      var d2 = FloatVector.fromArray(S, d, i + 2 * step);
      var d3 = FloatVector.fromArray(S, d, i + 3 * step);
      var d4 = FloatVector.fromArray(S, d, i + 4 * step);
      var d5 = FloatVector.fromArray(S, d, i + 5 * step);
      int o = toAt + j;
      d0.mul(P2 * Q2).sub(d2.mul(P2 + Q2)).add(d4).intoArray(to, o);
      var even = d4.sub(d2.mul(Q2));
      var odd = d3.sub(d1.mul(Q2)).mul(P);
      even.add(odd).intoArray(to, o + toStep);
      even.sub(odd).intoArray(to, o + 2 * toStep);
      even = d4.sub(d2.mul(P2));
      odd = d3.sub(d1.mul(P2)).mul(Q);
      even.add(odd).intoArray(to, o + 3 * toStep);
      even.sub(odd).intoArray(to, o + 4 * toStep);
      d1.mul(P2 * Q2).sub(d3.mul(P2 + Q2)).add(d5).intoArray(to, o + 5 * toStep);
    }
  }

  /** {@code G·g}: three taps to six points. */
  static void filter(float[] g, int at, int step, float[] to, int toAt, int toStep, int count) {
    for (int j = 0; j < count; j += Lanes.COUNT) {
      int i = at + j;
      var g0 = FloatVector.fromArray(S, g, i);
      var g1 = FloatVector.fromArray(S, g, i + step);
      var g2 = FloatVector.fromArray(S, g, i + 2 * step);
      int o = toAt + j;
      g0.mul(AT_ZERO).intoArray(to, o);
      var even = g0.add(g2.mul(P2)).mul(AT_P);
      var odd = g1.mul(P * AT_P);
      even.add(odd).intoArray(to, o + toStep);
      even.sub(odd).intoArray(to, o + 2 * toStep);
      even = g0.add(g2.mul(Q2)).mul(AT_Q);
      odd = g1.mul(Q * AT_Q);
      even.add(odd).intoArray(to, o + 3 * toStep);
      even.sub(odd).intoArray(to, o + 4 * toStep);
      g2.intoArray(to, o + 5 * toStep);
    }
  }

  /** {@code Aᵀ·m}: six points to four results. */
  static void output(float[] m, int at, int step, float[] to, int toAt, int toStep, int count) {
    for (int j = 0; j < count; j += Lanes.COUNT) {
      int i = at + j;
      var m1 = FloatVector.fromArray(S, m, i + step);
      var m2 = FloatVector.fromArray(S, m, i + 2 * step);
      var m3 = FloatVector.fromArray(S, m, i + 3 * step);
      var m4 = FloatVector.fromArray(S, m, i + 4 * step);
      var p = m1.add(m2);
      var q = m3.add(m4);
      var dp = m1.sub(m2);
      var dq = m3.sub(m4);
      int o = toAt + j;
      FloatVector.fromArray(S, m, i).add(p).add(q).intoArray(to, o);
      dp.mul(P).add(dq.mul(Q)).intoArray(to, o + toStep);
      p.mul(P2).add(q.mul(Q2)).intoArray(to, o + 2 * toStep);
      var last = FloatVector.fromArray(S, m, i + 5 * step);
      dp.mul(P3).add(dq.mul(Q3)).add(last).intoArray(to, o + 3 * toStep);
    }
  }
}
