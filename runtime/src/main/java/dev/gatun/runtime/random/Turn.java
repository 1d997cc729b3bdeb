package dev.gatun.runtime.random;

/**
 * Sine and cosine of an angle within a full turn, within one unit in the last place.
 *
 * <p>{@link StrictMath} gives the same bits on every machine, but allocates when it must reduce its
 * argument; so the quarter turns are taken off here.
 */
final class Turn {
  private static final double QUARTER = Math.PI / 2;

  /** What {@link #QUARTER} lacks to π/2. */
  private static final double QUARTER_REST = 6.123233995736766e-17;

  private Turn() {}

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
    return Math.fma(-quarters, QUARTER, angle) - quarters * QUARTER_REST;
  }

  private static double sin(int quarters, double rest) {
    double value = (quarters & 1) == 0 ? StrictMath.sin(rest) : StrictMath.cos(rest);
    return (quarters & 2) == 0 ? value : -value;
  }
}
