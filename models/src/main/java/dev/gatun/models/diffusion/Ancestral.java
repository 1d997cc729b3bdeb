package dev.gatun.models.diffusion;

/**
 * How a step from σ to a smaller σ' is split into one that goes further down, to {@code σ_down},
 * and noise that brings it back: {@code σ_up = min(σ', η·√(σ'²·(σ²-σ'²)/σ²))}, {@code σ_down =
 * √(σ'² - σ_up²)}. With η = 1 that is {@link DdpmSampler}'s way.
 *
 * @param eta η, 0 for no noise; at least 0
 * @param noise the standard deviation of what is added, in units of what it should be
 */
public record Ancestral(double eta, double noise) {
  /** η = 1. */
  public static final Ancestral DEFAULT = new Ancestral(1, 1);

  /** η = 0: no noise. */
  public static final Ancestral NONE = new Ancestral(0, 1);

  public Ancestral {
    if (!(eta >= 0 && eta < Double.POSITIVE_INFINITY && noise >= 0)) {
      throw new IllegalArgumentException(
          "eta is " + eta + " and the noise " + noise + ": give numbers that are not negative");
    }
  }

  /** {@code σ_up} of a step. */
  double up(double from, double to) {
    return eta == 0
        ? 0
        : Math.min(to, eta * Math.sqrt(to * to * (from * from - to * to) / (from * from)));
  }

  /** {@code σ_down} of a step. */
  double down(double to, double up) {
    return Math.sqrt(to * to - up * up);
  }
}
