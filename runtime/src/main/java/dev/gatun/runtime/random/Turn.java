package dev.gatun.runtime.random;

/**
 * Sine and cosine of an angle within a full turn, within about one unit in the last place, in plain
 * arithmetic: the same bits on every machine, and no allocation. ({@link Math} has the second,
 * {@link StrictMath} the first of these.)
 *
 * <p>Quarter turns are taken off until at most an eighth of a turn is left; for that the Taylor
 * series are summed, which are exact to 10⁻¹⁸ there.
 */
final class Turn {
  private static final double QUARTER = Math.PI / 2;

  /** What {@link #QUARTER} lacks to π/2. */
  private static final double QUARTER_REST = 6.123233995736766e-17;

  /** {@code ±1/n!} for n = 3, 5, … 17. */
  private static final double[] SIN = series(3);

  /** {@code ±1/n!} for n = 4, 6, … 18. */
  private static final double[] COS = series(4);

  private Turn() {}

  private static double[] series(int first) {
    var terms = new double[8];
    double factorial = first == 3 ? 6 : 24;
    for (int i = 0; i < terms.length; i++) {
      // exact, since 18! < 2⁵³
      terms[i] = (first == 3) == (i % 2 == 0) ? -1 / factorial : 1 / factorial;
      int n = first + 2 * i;
      factorial *= (n + 1) * (n + 2);
    }
    return terms;
  }

  static double sin(double angle) {
    int quarters = quarters(angle);
    return sin(quarters, remainder(angle, quarters));
  }

  static double cos(double angle) {
    int quarters = quarters(angle);
    return sin(quarters + 1, remainder(angle, quarters));
  }

  private static int quarters(double angle) {
    return (int) Math.rint(angle / QUARTER);
  }

  private static double remainder(double angle, int quarters) {
    // Half turns, then a quarter: both products and both differences are exact.
    double rest = angle - (quarters & ~1) * QUARTER - (quarters & 1) * QUARTER;
    return rest - quarters * QUARTER_REST;
  }

  /** Sine of some quarter turns and a rest of at most half of one. */
  private static double sin(int quarters, double rest) {
    double square = rest * rest;
    double value;
    if ((quarters & 1) == 0) {
      value = rest + rest * square * horner(SIN, square);
    } else {
      // 1 - x²/2 + …, with what the first difference loses
      double head = 1 - square / 2;
      value = head + ((1 - head - square / 2) + square * square * horner(COS, square));
    }
    return (quarters & 2) == 0 ? value : -value;
  }

  private static double horner(double[] terms, double x) {
    double sum = 0;
    for (int i = terms.length - 1; i >= 0; i--) {
      sum = sum * x + terms[i];
    }
    return sum;
  }
}
