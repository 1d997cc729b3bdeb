package dev.gatun.models.diffusion;

/** The variance of a step of {@link DdpmSampler}. */
public enum Variance {
  /**
   * Between the two fixed ones on a logarithmic scale, where the network says: {@code log σ² =
   * ½(v+1)·log β + (1-½(v+1))·log β̃}, v being the second half of its channels ("Improved DDPM",
   * equation 15). v is not clamped.
   */
  LEARNED_RANGE,
  /** The posterior variance β̃. */
  FIXED_SMALL,
  /** β. */
  FIXED_LARGE
}
