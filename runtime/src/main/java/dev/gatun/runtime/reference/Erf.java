package dev.gatun.runtime.reference;

/** The error function in double precision; the error is below 1e-15. */
final class Erf {
  /** From here a continued fraction needs fewer terms than the series. */
  private static final double SERIES_END = 3;

  private static final int FRACTION_TERMS = 30;

  private Erf() {}

  /** {@code 2/√π ∫₀ˣ exp(-t²) dt}. */
  static double erf(double x) {
    double z = Math.abs(x);
    double y = z < SERIES_END ? series(z) : 1 - complement(z);
    return Double.isNaN(x) ? x : Math.copySign(y, x);
  }

  /**
   * {@code 2/√π·exp(-x²)·Σ 2ⁿx²ⁿ⁺¹/(1·3·…·(2n+1))}: all terms are positive, so none cancels.
   * Abramowitz and Stegun, 7.1.6.
   */
  private static double series(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; term > 1e-17 * sum; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }

  /**
   * {@code 1 - erf(x) = exp(-x²)/√π · 1/(x + ½/(x + 1/(x + 1½/(x + …))))}, from the innermost term
   * outwards. Abramowitz and Stegun, 7.1.14.
   */
  private static double complement(double x) {
    double tail = x;
    for (int n = FRACTION_TERMS; n >= 1; n--) {
      tail = x + n / 2.0 / tail;
    }
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
  }
}
