package dev.gatun.models.diffusion;

import java.util.Arrays;

/**
 * A discrete schedule of N steps in continuous time: {@code log α} is linear between the knots
 * {@code t_i = (i+1)/N}, where it is {@code ½ log ᾱ_i}, and goes on beyond them with the slope of
 * the end segments ("DPM-Solver", C. Lu and others, 2022, appendix D).
 *
 * <p>At a time t the network is told what lies as far between the {@linkplain NoiseSchedule#time
 * times} of its own timesteps: for DiT and ADM {@code (t - 1/N)·1000}, for U-ViT {@code t·1000}.
 */
public final class InterpolatedVp implements NoiseCurve {
  /** Where the authors of DPM-Solver cut a schedule: λ of images that are all but noise. */
  private static final double LEAST_LAMBDA = -5.1;

  /** {@code log α} at the knots, falling. */
  private final double[] logAlphas;

  private final double firstTime;
  private final double timePerUnit;

  private InterpolatedVp(double[] logAlphas, double firstTime, double timePerUnit) {
    this.logAlphas = logAlphas;
    this.firstTime = firstTime;
    this.timePerUnit = timePerUnit;
  }

  /**
   * The curve through all steps of a schedule: U-ViT's solver.
   *
   * @param schedule the one that the network was trained with, not respaced, of at least 2 steps
   * @throws IllegalArgumentException if it is another, or ends in an ᾱ of 0
   */
  public static InterpolatedVp of(NoiseSchedule schedule) {
    return through(schedule, schedule.steps());
  }

  /**
   * The curve without the last steps, where λ is below -5.1: the solver of DPM-Solver's authors.
   * Only a cosine schedule is cut, by 4 of 1000 steps. The knots are spread evenly over 0 … 1 anew,
   * so at time 1 the network is told 998.996 and the noise is that of step 995, as the authors have
   * it.
   *
   * @param schedule as for {@link #of}
   */
  public static InterpolatedVp clipped(NoiseSchedule schedule) {
    int kept = schedule.steps();
    while (kept > 0 && halfLogSnr(schedule.alphaBar(kept - 1)) < LEAST_LAMBDA) {
      kept--;
    }
    return through(schedule, kept);
  }

  private static double halfLogSnr(double alphaBar) {
    return Math.log(alphaBar / (1 - alphaBar)) / 2;
  }

  private static InterpolatedVp through(NoiseSchedule schedule, int kept) {
    int n = schedule.steps();
    if (kept < 2 || schedule.timestep(n - 1) != n - 1 || !(schedule.alphaBar(kept - 1) > 0)) {
      throw new IllegalArgumentException(
          "a noise schedule of "
              + n
              + " steps cannot be seen in continuous time: it needs 2 steps or more with some of"
              + " the image left, all those that the network was trained with");
    }
    var logAlphas = new double[kept];
    double sum = 0;
    for (int i = 0; i < kept; i++) {
      sum += Math.log1p(-schedule.beta(i)) / 2;
      logAlphas[i] = sum;
    }
    double perStep = (schedule.time(n - 1) - schedule.time(0)) / (n - 1);
    return new InterpolatedVp(logAlphas, schedule.time(0), perStep * n);
  }

  @Override
  public double logAlpha(double t) {
    double at = t * logAlphas.length - 1;
    int segment = Math.clamp((int) Math.floor(at), 0, logAlphas.length - 2);
    return logAlphas[segment] + (at - segment) * slope(segment);
  }

  private double slope(int segment) {
    return logAlphas[segment + 1] - logAlphas[segment];
  }

  @Override
  public double timeOfLogAlpha(double logAlpha) {
    // the first knot below: a binary search in a table that falls
    int low = 0;
    int high = logAlphas.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (logAlphas[middle] < logAlpha) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    int segment = Math.clamp(low - 1, 0, logAlphas.length - 2);
    double at = segment + (logAlpha - logAlphas[segment]) / slope(segment);
    return (at + 1) / logAlphas.length;
  }

  @Override
  public double beta(double t) {
    int segment = Math.clamp((int) Math.floor(t * logAlphas.length - 1), 0, logAlphas.length - 2);
    return -2 * slope(segment) * logAlphas.length;
  }

  @Override
  public double networkTime(double t) {
    return firstTime + timePerUnit * (t - 1.0 / logAlphas.length);
  }

  @Override
  public double start() {
    return 1;
  }

  @Override
  public double end() {
    return 1.0 / logAlphas.length;
  }

  /** How many knots there are. */
  public int knots() {
    return logAlphas.length;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof InterpolatedVp that
        && Arrays.equals(logAlphas, that.logAlphas)
        && firstTime == that.firstTime
        && timePerUnit == that.timePerUnit;
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(logAlphas);
  }
}
