package dev.gatun.models.diffusion;

/** How the times of a solver are spread between its first and its last. */
public enum Spacing {
  /** Evenly in λ, half the logarithm of the signal-to-noise ratio: {@code logSNR}. */
  LAMBDA,
  /** Evenly in time: {@code time_uniform}. */
  TIME,
  /** Evenly in the square root of time: {@code time_quadratic}. */
  SQUARE_ROOT;

  /**
   * Times from s to t, both included.
   *
   * @param intervals how many steps lie between, at least 1
   */
  double[] times(NoiseCurve curve, double s, double t, int intervals) {
    var times = new double[intervals + 1];
    for (int i = 1; i < intervals; i++) {
      double part = (double) i / intervals;
      times[i] =
          switch (this) {
            case LAMBDA -> curve.inverseLambda(mix(curve.lambda(s), curve.lambda(t), part));
            case TIME -> mix(s, t, part);
            case SQUARE_ROOT -> {
              double root = mix(Math.sqrt(s), Math.sqrt(t), part);
              yield root * root;
            }
          };
    }
    times[0] = s;
    times[intervals] = t;
    return times;
  }

  private static double mix(double from, double to, double part) {
    return from + (to - from) * part;
  }
}
