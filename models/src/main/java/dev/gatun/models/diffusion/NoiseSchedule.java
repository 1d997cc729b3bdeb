package dev.gatun.models.diffusion;

import java.util.Arrays;
import java.util.Locale;
import java.util.function.IntToDoubleFunction;

/**
 * How much noise each step of a discrete diffusion adds: the β of "Denoising Diffusion
 * Probabilistic Models" (J. Ho, A. Jain, P. Abbeel, 2020) and all that follows from them, in
 * double.
 *
 * <p>A step k has {@code q(x_k | x_{k-1}) = N(√(1-β_k)·x_{k-1}, β_k)}, hence {@code x_k = √ᾱ_k·x_0
 * + √(1-ᾱ_k)·ε} with {@code ᾱ_k = Π(1-β_i)}. Steps count from 0, the least noise. A {@linkplain
 * #respace respaced} schedule has fewer steps; {@link #timestep} says which timestep of the
 * schedule that the network was trained with each of them is. The network is told {@link #time}:
 * the timestep itself, unless it was trained with {@linkplain #toldAs another convention}.
 *
 * <p>Immutable.
 */
public final class NoiseSchedule {
  private final double[] betas;
  private final int[] timesteps;
  private final double[] times;
  private final double[] alphaBars;

  private NoiseSchedule(double[] betas, int[] timesteps, double[] times) {
    this.betas = betas;
    this.timesteps = timesteps;
    this.times = times;
    alphaBars = new double[betas.length];
    double product = 1;
    for (int k = 0; k < betas.length; k++) {
      double beta = betas[k];
      if (!(beta > 0 && beta <= 1)) {
        throw new IllegalArgumentException(
            "beta " + k + " is " + beta + ": a noise schedule needs 0 < beta <= 1");
      }
      product *= 1 - beta;
      alphaBars[k] = product;
    }
  }

  /**
   * A schedule by the name that the authors' code knows it by: {@code linear}; {@code cosine} or
   * {@code squaredcos_cap_v2}; {@code scaled_linear} (Stable Diffusion's, of U-ViT's discrete
   * models); and the older {@code quad}, {@code const}, {@code jsd}, {@code warmup10} and {@code
   * warmup50} of guided-diffusion.
   *
   * @throws IllegalArgumentException for another name, or if the schedule has no such length
   */
  public static NoiseSchedule named(String name, int steps) {
    double last = 20.0 / requireSteps(steps); // of linear, and of all that reach or hold it
    double first = last / 200;
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "linear" -> linear(steps);
      case "cosine", "squaredcos_cap_v2" -> cosine(steps);
      case "scaled_linear" -> scaledLinear(steps);
      case "quad" -> of(steps, k -> square(even(Math.sqrt(first), Math.sqrt(last), steps, k)));
      case "const" -> of(steps, k -> last);
      case "jsd" -> of(steps, k -> 1.0 / (steps - k));
      case "warmup10" -> warmUp(first, last, (int) (steps * 0.1), steps);
      case "warmup50" -> warmUp(first, last, (int) (steps * 0.5), steps);
      default ->
          throw new IllegalArgumentException(
              "there is no noise schedule '"
                  + name
                  + "'; there are linear, cosine, scaled_linear, quad, const, jsd, warmup10 and"
                  + " warmup50");
    };
  }

  /**
   * β rising linearly from 10⁻⁴·k to 0.02·k with k = 1000/steps, as DDPM has it for 1000 steps:
   * DiT, DiffiT, and ADM except at 64 pixels.
   *
   * @param steps at least 1; fewer than 20 give a β above 1, which is an error
   */
  public static NoiseSchedule linear(int steps) {
    double scale = 1000.0 / requireSteps(steps);
    return of(steps, k -> even(1e-4 * scale, 0.02 * scale, steps, k));
  }

  /**
   * √β rising linearly from √0.00085 to √0.012: "High-Resolution Image Synthesis with Latent
   * Diffusion Models" (R. Rombach and others, 2022), and U-ViT's discrete models.
   *
   * @param steps at least 1; the networks were trained with 1000
   */
  public static NoiseSchedule scaledLinear(int steps) {
    requireSteps(steps);
    return of(steps, k -> square(even(Math.sqrt(0.00085), Math.sqrt(0.012), steps, k)));
  }

  /**
   * {@code ᾱ} proportional to {@code cos²((t + 0.008)/1.008·π/2)}, {@code β <= 0.999}: "Improved
   * DDPM" (A. Nichol, P. Dhariwal, 2021), named {@code squaredcos_cap_v2} in DiT and {@code cosine}
   * in ADM, which uses it at 64 pixels.
   *
   * @param steps at least 1
   */
  public static NoiseSchedule cosine(int steps) {
    requireSteps(steps);
    return of(
        steps, k -> Math.min(1 - squaredCosine(k + 1, steps) / squaredCosine(k, steps), 0.999));
  }

  private static NoiseSchedule warmUp(double first, double last, int rising, int steps) {
    return of(steps, k -> k < rising ? even(first, last, rising, k) : last);
  }

  /** Number k of {@code count} numbers evenly from first to last, both exact. */
  private static double even(double first, double last, int count, int k) {
    double step = count == 1 ? 0 : (last - first) / (count - 1);
    return k > 0 && k == count - 1 ? last : k * step + first;
  }

  private static double square(double x) {
    return x * x;
  }

  private static double squaredCosine(int k, int steps) {
    double cos = Math.cos(((double) k / steps + 0.008) / 1.008 * Math.PI / 2);
    return cos * cos;
  }

  /**
   * The schedule with these β. One of 1 leaves nothing of the image, so only a network that
   * predicts the image can start there.
   *
   * @throws IllegalArgumentException if there is none, or one is not a number above 0 and at most 1
   */
  public static NoiseSchedule ofBetas(double... betas) {
    requireSteps(betas.length);
    return of(betas.length, k -> betas[k]);
  }

  private static int requireSteps(int steps) {
    if (steps < 1) {
      throw new IllegalArgumentException(
          "a noise schedule has " + steps + " steps: give at least 1");
    }
    return steps;
  }

  private static NoiseSchedule of(int steps, IntToDoubleFunction beta) {
    var betas = new double[steps];
    var timesteps = new int[steps];
    for (int k = 0; k < steps; k++) {
      betas[k] = beta.applyAsDouble(k);
      timesteps[k] = k;
    }
    return new NoiseSchedule(betas, timesteps, Arrays.stream(timesteps).asDoubleStream().toArray());
  }

  /**
   * The same schedule for a network that is told its timesteps otherwise.
   *
   * @param time what the network is told for a timestep: {@code i -> i + 1} for U-ViT's discrete
   *     models, {@code i -> i * 1000.0 / steps} for ADM's rescaled timesteps
   */
  public NoiseSchedule toldAs(IntToDoubleFunction time) {
    return new NoiseSchedule(
        betas, timesteps, Arrays.stream(timesteps).mapToDouble(time).toArray());
  }

  /**
   * The schedule of the kept steps alone, with the same ᾱ at each of them: {@code β'_k = 1 - ᾱ_i /
   * ᾱ_(kept before)}.
   *
   * @throws IllegalArgumentException if the respacing asks for more than there is
   */
  public NoiseSchedule respace(Respacing respacing) {
    int[] kept = respacing.timesteps(steps());
    var newBetas = new double[kept.length];
    var original = new int[kept.length];
    var told = new double[kept.length];
    double previous = 1;
    for (int k = 0; k < kept.length; k++) {
      newBetas[k] = 1 - alphaBars[kept[k]] / previous;
      original[k] = timesteps[kept[k]];
      told[k] = times[kept[k]];
      previous = alphaBars[kept[k]];
    }
    return new NoiseSchedule(newBetas, original, told);
  }

  /** Number of steps. */
  public int steps() {
    return betas.length;
  }

  /** The timestep of step k in the schedule that the network was trained with. */
  public int timestep(int k) {
    return timesteps[k];
  }

  /** What the network is told at step k. */
  public double time(int k) {
    return times[k];
  }

  /** The noise level of step k where images keep their scale: {@code σ_k = √((1-ᾱ_k)/ᾱ_k)}. */
  public double sigma(int k) {
    return Math.sqrt((1 - alphaBars[k]) / alphaBars[k]);
  }

  /** β_k. */
  public double beta(int k) {
    return betas[k];
  }

  /** ᾱ_k = Π(1-β_i), i = 0 … k: the part of the image in the variance of x_k. */
  public double alphaBar(int k) {
    return alphaBars[k];
  }

  /** ᾱ of the step with less noise, ᾱ_{k-1}; 1 for step 0. */
  public double alphaBarPrevious(int k) {
    return k == 0 ? 1 : alphaBars[k - 1];
  }

  /** ᾱ of the step with more noise, ᾱ_{k+1}; 0 for the last one. */
  public double alphaBarNext(int k) {
    return k == betas.length - 1 ? 0 : alphaBars[k + 1];
  }

  /** Variance of q(x_{k-1} | x_k, x_0): {@code β_k·(1-ᾱ_{k-1})/(1-ᾱ_k)}; 0 for step 0. */
  public double posteriorVariance(int k) {
    return betas[k] * (1 - alphaBarPrevious(k)) / (1 - alphaBars[k]);
  }

  /**
   * Logarithm of the {@linkplain #posteriorVariance posterior variance}, with that of step 1 for
   * step 0, whose variance is 0 (and {@code log β_0} in a schedule of one step).
   */
  public double posteriorLogVariance(int k) {
    if (betas.length == 1) {
      return Math.log(betas[0]);
    }
    return Math.log(posteriorVariance(Math.max(k, 1)));
  }

  /** Factor of x_0 in the mean of q(x_{k-1} | x_k, x_0): {@code β_k·√ᾱ_{k-1}/(1-ᾱ_k)}. */
  public double posteriorMeanOfX0(int k) {
    return betas[k] * Math.sqrt(alphaBarPrevious(k)) / (1 - alphaBars[k]);
  }

  /** Factor of x_k in the mean of q(x_{k-1} | x_k, x_0): {@code (1-ᾱ_{k-1})·√(1-β_k)/(1-ᾱ_k)}. */
  public double posteriorMeanOfX(int k) {
    return (1 - alphaBarPrevious(k)) * Math.sqrt(1 - betas[k]) / (1 - alphaBars[k]);
  }
}
