package dev.gatun.models.diffusion;

/**
 * β rising linearly in continuous time: the "VP SDE" of "Score-Based Generative Modeling through
 * Stochastic Differential Equations" (Y. Song and others, 2021): {@code β(t) = β_0 + (β_1-β_0)·t},
 * {@code log α = -¼(β_1-β_0)·t² - ½β_0·t}.
 *
 * @param beta0 β at time 0
 * @param beta1 β at time 1
 * @param timeScale the network is told {@code timeScale·t}
 */
public record LinearVp(double beta0, double beta1, double timeScale) implements NoiseCurve {
  public LinearVp {
    if (!(beta0 > 0 && beta1 > beta0 && beta1 < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "a linear noise curve from beta " + beta0 + " to " + beta1 + ": give 0 < first < last");
    }
  }

  /** β from 0.1 to 20 and the network told 999·t: U-ViT's continuous models. */
  public static LinearVp uvit() {
    return new LinearVp(0.1, 20, 999);
  }

  @Override
  public double logAlpha(double t) {
    return -(beta1 - beta0) * t * t / 4 - beta0 * t / 2;
  }

  @Override
  public double timeOfLogAlpha(double logAlpha) {
    // the root of ¼(β_1-β_0)t² + ½β_0·t + log α = 0, in the form that loses no digits near 0
    double c = -4 * (beta1 - beta0) * logAlpha;
    return -4 * logAlpha / (Math.sqrt(beta0 * beta0 + c) + beta0);
  }

  @Override
  public double beta(double t) {
    return beta0 + (beta1 - beta0) * t;
  }

  @Override
  public double networkTime(double t) {
    return timeScale * t;
  }

  @Override
  public double start() {
    return 1;
  }

  @Override
  public double end() {
    return 1e-3;
  }
}
