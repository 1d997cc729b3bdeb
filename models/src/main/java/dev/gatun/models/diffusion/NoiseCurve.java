package dev.gatun.models.diffusion;

/**
 * How much noise there is at a continuous time: {@code x_t = α(t)·x_0 + σ(t)·ε} with {@code α² + σ²
 * = 1}, of "Score-Based Generative Modeling through Stochastic Differential Equations" (Y. Song and
 * others, 2021), as the solvers of "DPM-Solver" (C. Lu and others, 2022) see it.
 *
 * <p>Time runs from 0, no noise, to {@link #start}. The solvers count in {@code λ = log α - log σ},
 * half the logarithm of the signal-to-noise ratio, which falls with time.
 */
public sealed interface NoiseCurve permits LinearVp, CosineVp, InterpolatedVp {
  /** {@code log α(t)}. */
  double logAlpha(double t);

  /** The time of a given {@code log α}: the inverse of {@link #logAlpha}. */
  double timeOfLogAlpha(double logAlpha);

  /** β(t) of the diffusion {@code dx = -½β·x dt + √β dw}: {@code -2·d log α/dt}. */
  double beta(double t);

  /** What the network is told at a time. */
  double networkTime(double t);

  /** The time of the most noise, where sampling starts. */
  double start();

  /** The time at which sampling ends unless another is asked for. */
  double end();

  /** α(t), the factor of the image. */
  default double alpha(double t) {
    return Math.exp(logAlpha(t));
  }

  /** σ(t), the factor of the noise. */
  default double sigma(double t) {
    return Math.sqrt(-Math.expm1(2 * logAlpha(t)));
  }

  /** {@code λ(t) = log α - log σ}. */
  default double lambda(double t) {
    double logAlpha = logAlpha(t);
    return logAlpha - Math.log(-Math.expm1(2 * logAlpha)) / 2;
  }

  /** The time of a given λ. */
  default double inverseLambda(double lambda) {
    // log α = -½ log(1 + e^{-2λ}), written so that no λ overflows
    double x = -2 * lambda;
    double softplus = x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
    return timeOfLogAlpha(-softplus / 2);
  }

  /**
   * The curve in steps, for the samplers that count them: ᾱ of step i is {@code α²} at {@code
   * (i+1)/steps} of the way to {@link #start}, and the network is told that time.
   *
   * @param steps at least 1
   */
  default NoiseSchedule discretised(int steps) {
    if (steps < 1) {
      throw new IllegalArgumentException(
          "a noise schedule has " + steps + " steps: give at least 1");
    }
    var betas = new double[steps];
    double before = 0; // log α at time 0, to the solver's eye
    for (int i = 0; i < steps; i++) {
      double logAlpha = logAlpha((i + 1.0) / steps * start());
      betas[i] = -Math.expm1(2 * (logAlpha - before));
      before = logAlpha;
    }
    return NoiseSchedule.ofBetas(betas).toldAs(i -> networkTime((i + 1.0) / steps * start()));
  }
}
