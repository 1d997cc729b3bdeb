package dev.gatun.models.diffusion;

/** The variance of a step of {@link DdpmSampler}. */
public enum Variance {
  /**
   * Between the two fixed ones on a logarithmic scale, where the network says: {@code log σ² =
   * ½(v+1)·log β + (1-½(v+1))·log β̃}, v being the second half of its channels ("Improved DDPM",
   * equation 15). v is not clamped.
   */
  LEARNED_RANGE,
  /**
   * What the network says: log σ² is the second half of its channels. guided-diffusion has it, no
   * published network needs it.
   */
  LEARNED,
  /** The posterior variance β̃. */
  FIXED_SMALL,
  /** β, but β̃ of step 1 for step 0. */
  FIXED_LARGE
}
