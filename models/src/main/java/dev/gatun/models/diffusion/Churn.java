package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/**
 * Noise that is added on the way and taken away again: {@code S_churn, S_min, S_max, S_noise} of
 * EDM's algorithm 2. Before a step from σ in {@code min … max}, x gets as much noise as brings it
 * to {@code σ̂ = σ·(1 + γ)}, {@code γ = min(amount/steps, √2 - 1)}.
 *
 * @param amount S_churn, 0 for none
 * @param min S_min
 * @param max S_max
 * @param noise S_noise, the standard deviation of what is added, in units of what it should be
 */
public record Churn(double amount, double min, double max, double noise) {
  /** No churn. */
  public static final Churn NONE = of(0);

  public Churn {
    if (!(amount >= 0 && min >= 0 && max >= min && noise >= 0)) {
      throw new IllegalArgumentException(
          "churn of "
              + amount
              + " from "
              + min
              + " to "
              + max
              + " with noise "
              + noise
              + ": give numbers that are not negative, the range rising");
    }
  }

  /** Churn at all noise levels. */
  public static Churn of(double amount) {
    return new Churn(amount, 0, Double.POSITIVE_INFINITY, 1);
  }

  /** σ̂ for a step from σ. */
  double raised(double sigma, int steps) {
    double gamma = min <= sigma && sigma <= max ? Math.min(amount / steps, Math.sqrt(2) - 1) : 0;
    return sigma * (1 + gamma);
  }

  /**
   * Brings the images of a run from σ to σ̂. Noise is drawn at every step of a run with churn, as
   * the authors do, at none of a run without.
   *
   * @param n scratch
   */
  void raise(Run run, double sigma, double raised, Tensor n) {
    if (amount > 0) {
      run.draw(n);
      if (raised > sigma) {
        run.add(Math.sqrt(raised * raised - sigma * sigma) * noise, n, run.x);
      }
    }
  }
}
