package dev.gatun.models.diffusion;

import java.util.Objects;

/**
 * What a user may choose about a sampler. Begins with {@link #steps(int)}, where everything else is
 * the sampler's default; the {@code with…} methods change that.
 *
 * @param steps how many steps, or for solvers of a given number of evaluations, evaluations
 * @param eta how much noise a stochastic sampler adds; null for the sampler's default
 * @param churn S_churn and its range; {@link Churn#NONE} for none
 * @param correction of the predicted image
 * @param order of solvers that have one; 0 for the default
 * @param spacing of a DPM-Solver's times; null for the default
 * @param levels how noise levels are spread; null for {@link Levels#KARRAS}
 * @param respacing which timesteps ddpm and ddim keep; null for even ones
 */
public record SamplerSettings(
    int steps,
    Double eta,
    Churn churn,
    X0Correction correction,
    int order,
    Spacing spacing,
    Levels levels,
    Respacing respacing) {

  /** How noise levels are spread. */
  public enum Levels {
    /** {@link SigmaSchedule#karras} with ρ = 7. */
    KARRAS,
    /** {@link SigmaSchedule#exponential}. */
    EXPONENTIAL,
    /** {@link SigmaSchedule#polyexponential} with ρ = 2. */
    POLYEXPONENTIAL,
    /** {@link SigmaSchedule#vp} over the range. */
    VP,
    /** Evenly in the network's own time. */
    NATIVE
  }

  public SamplerSettings {
    if (steps < 1) {
      throw new IllegalArgumentException("a sampler with " + steps + " steps: give at least 1");
    }
    if (order < 0 || order > 4) {
      throw new IllegalArgumentException("order is " + order + ": give 1 to 4");
    }
    Objects.requireNonNull(churn, "churn");
    Objects.requireNonNull(correction, "correction");
  }

  /** All defaults, without a correction of the image. */
  public static SamplerSettings steps(int steps) {
    return new SamplerSettings(steps, null, Churn.NONE, X0Correction.none(), 0, null, null, null);
  }

  /** With another number of steps. */
  public SamplerSettings withSteps(int value) {
    return new SamplerSettings(value, eta, churn, correction, order, spacing, levels, respacing);
  }

  /** With this much noise. */
  public SamplerSettings withEta(double value) {
    return new SamplerSettings(steps, value, churn, correction, order, spacing, levels, respacing);
  }

  /** With churn. */
  public SamplerSettings with(Churn value) {
    return new SamplerSettings(steps, eta, value, correction, order, spacing, levels, respacing);
  }

  /** With a correction of the predicted image. */
  public SamplerSettings with(X0Correction value) {
    return new SamplerSettings(steps, eta, churn, value, order, spacing, levels, respacing);
  }

  /** With an order. */
  public SamplerSettings withOrder(int value) {
    return new SamplerSettings(steps, eta, churn, correction, value, spacing, levels, respacing);
  }

  /** With a spacing of times. */
  public SamplerSettings with(Spacing value) {
    return new SamplerSettings(steps, eta, churn, correction, order, value, levels, respacing);
  }

  /** With a spacing of noise levels. */
  public SamplerSettings with(Levels value) {
    return new SamplerSettings(steps, eta, churn, correction, order, spacing, value, respacing);
  }

  /** With a choice of timesteps, which then decides on the number of steps. */
  public SamplerSettings with(Respacing value) {
    return new SamplerSettings(steps, eta, churn, correction, order, spacing, levels, value);
  }
}
