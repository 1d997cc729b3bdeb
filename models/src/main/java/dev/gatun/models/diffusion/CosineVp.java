package dev.gatun.models.diffusion;

/**
 * The cosine schedule of "Improved DDPM" (A. Nichol, P. Dhariwal, 2021) in continuous time: {@code
 * α(t) = cos((t+s)/(1+s)·π/2) / cos(s/(1+s)·π/2)}, s = 0.008. It ends at 0.9946, before β grows
 * without bound.
 *
 * @param timeScale the network is told {@code timeScale·t}
 */
public record CosineVp(double timeScale) implements NoiseCurve {
  private static final double S = 0.008;
  private static final double TURN = Math.PI / 2 / (1 + S); // of the angle per unit of time
  private static final double LOG_COS_0 = Math.log(Math.cos(S * TURN));

  @Override
  public double logAlpha(double t) {
    return Math.log(Math.cos((t + S) * TURN)) - LOG_COS_0;
  }

  @Override
  public double timeOfLogAlpha(double logAlpha) {
    return Math.acos(Math.exp(logAlpha + LOG_COS_0)) / TURN - S;
  }

  @Override
  public double beta(double t) {
    return 2 * TURN * Math.tan((t + S) * TURN);
  }

  @Override
  public double networkTime(double t) {
    return timeScale * t;
  }

  @Override
  public double start() {
    return 0.9946;
  }

  @Override
  public double end() {
    return 1e-3;
  }
}
