package dev.gatun.models.diffusion;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;

/**
 * The noise levels of a sampler in σ-space, where {@code x = x_0 + σ·n}: falling, and 0 at the end.
 * The step i goes from σ_i to σ_{i+1}.
 *
 * <p>Immutable.
 */
public final class SigmaSchedule {
  private final double[] sigmas;

  private SigmaSchedule(double... sigmas) {
    this.sigmas = sigmas;
    for (int i = 0; i < sigmas.length; i++) {
      boolean falls = i == 0 || sigmas[i] < sigmas[i - 1];
      if (!(sigmas[i] > 0 && sigmas[i] < Double.POSITIVE_INFINITY && falls)) {
        throw new IllegalArgumentException(
            "noise level "
                + i
                + " is "
                + sigmas[i]
                + ": noise levels are finite, above 0 and falling; give fewer steps or a wider"
                + " range");
      }
    }
  }

  /**
   * Given levels, to which 0 is added.
   *
   * @throws IllegalArgumentException if there is none, or they are not above 0 and falling
   */
  public static SigmaSchedule of(double... sigmas) {
    requireSteps(sigmas.length);
    return new SigmaSchedule(sigmas.clone());
  }

  /**
   * {@code σ_i = (σmax^{1/ρ} + i/(n-1)·(σmin^{1/ρ} - σmax^{1/ρ}))^ρ}: "Elucidating the Design Space
   * of Diffusion-Based Generative Models" (T. Karras and others, 2022), equation 5.
   *
   * @param steps n, at least 1
   * @param rho ρ, 7 in the paper
   */
  public static SigmaSchedule karras(int steps, double sigmaMin, double sigmaMax, double rho) {
    requireSteps(steps, sigmaMin, sigmaMax, rho);
    double first = Math.pow(sigmaMax, 1 / rho);
    double last = Math.pow(sigmaMin, 1 / rho);
    return new SigmaSchedule(tabulate(steps, part -> Math.pow(first + part * (last - first), rho)));
  }

  /** EDM's: {@link #karras} from 80 to 0.002 with ρ = 7. */
  public static SigmaSchedule edm(int steps) {
    return karras(steps, 0.002, 80, 7);
  }

  /** Evenly in log σ. */
  public static SigmaSchedule exponential(int steps, double sigmaMin, double sigmaMax) {
    return polyexponential(steps, sigmaMin, sigmaMax, 1);
  }

  /** {@code log σ_i = log σmin + (1 - i/(n-1))^ρ·(log σmax - log σmin)}. */
  public static SigmaSchedule polyexponential(
      int steps, double sigmaMin, double sigmaMax, double rho) {
    requireSteps(steps, sigmaMin, sigmaMax, rho);
    double low = Math.log(sigmaMin);
    double range = Math.log(sigmaMax) - low;
    return new SigmaSchedule(
        tabulate(steps, part -> Math.exp(Math.pow(1 - part, rho) * range + low)));
  }

  /**
   * Evenly in the time of a {@link LinearVp} with β from {@code betaMin} to {@code betaMin +
   * betaD}: {@code σ = √(e^{½β_d·t² + β_min·t} - 1)}, t from 1 to {@code earliest}.
   */
  public static SigmaSchedule vp(int steps, double betaD, double betaMin, double earliest) {
    requireSteps(steps);
    return new SigmaSchedule(
        tabulate(
            steps,
            part -> {
              double t = 1 + part * (earliest - 1);
              return Math.sqrt(Math.expm1(betaD * t * t / 2 + betaMin * t));
            }));
  }

  /** Evenly in log σ² as the VE models of Song and others: {@code σ_i² = σmax²·(σmin²/σmax²)^…}. */
  public static SigmaSchedule ve(int steps, double sigmaMin, double sigmaMax) {
    return exponential(steps, sigmaMin, sigmaMax);
  }

  /**
   * Evenly over the timesteps of a discrete schedule, from the last to the first, interpolated in
   * log σ between them: {@code get_sigmas} of k-diffusion.
   */
  public static SigmaSchedule of(NoiseSchedule schedule, int steps) {
    requireSteps(steps);
    int last = schedule.steps() - 1;
    return new SigmaSchedule(
        tabulate(
            steps,
            part -> {
              double at = (1 - part) * last;
              int low = Math.min((int) at, Math.max(0, last - 1));
              double logLow = Math.log(schedule.sigma(low));
              double logHigh = Math.log(schedule.sigma(Math.min(low + 1, last)));
              return Math.exp(logLow + (at - low) * (logHigh - logLow));
            }));
  }

  /**
   * Evenly over the noise levels that an {@linkplain NetworkTime.OfIDdpm iDDPM} knows in a range.
   */
  public static SigmaSchedule iddpm(
      NetworkTime.OfIDdpm levels, int steps, double sigmaMin, double sigmaMax) {
    requireSteps(steps);
    double[] kept =
        Arrays.stream(levels.levels()).filter(u -> sigmaMin <= u && u <= sigmaMax).toArray();
    requireSteps(kept.length);
    return new SigmaSchedule(
        tabulate(steps, part -> kept[(int) Math.rint((kept.length - 1) * part)]));
  }

  private static double[] tabulate(int steps, DoubleUnaryOperator sigmaOfPart) {
    var sigmas = new double[steps];
    for (int i = 0; i < steps; i++) {
      sigmas[i] = sigmaOfPart.applyAsDouble(i == 0 ? 0 : (double) i / (steps - 1));
    }
    return sigmas;
  }

  private static void requireSteps(int steps) {
    if (steps < 1) {
      throw new IllegalArgumentException(steps + " noise levels: give at least 1");
    }
  }

  private static void requireSteps(int steps, double sigmaMin, double sigmaMax, double rho) {
    requireSteps(steps);
    if (!(sigmaMin > 0 && sigmaMax > sigmaMin && sigmaMax < Double.POSITIVE_INFINITY && rho > 0)) {
      throw new IllegalArgumentException(
          "noise levels from "
              + sigmaMin
              + " to "
              + sigmaMax
              + " with rho "
              + rho
              + ": give 0 < least < most, and a rho above 0");
    }
  }

  /** How many steps there are. */
  public int steps() {
    return sigmas.length;
  }

  /** σ_i, i = 0 … {@link #steps}; the last is 0. */
  public double at(int i) {
    return i == sigmas.length ? 0 : sigmas[i];
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof SigmaSchedule that && Arrays.equals(sigmas, that.sigmas);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(sigmas);
  }

  @Override
  public String toString() {
    return "SigmaSchedule" + Arrays.toString(sigmas);
  }
}
