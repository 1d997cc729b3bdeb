package dev.gatun.models.pipeline;

/**
 * What the authors of a checkpoint sample with. All of it can be overridden.
 *
 * @param sampler by the name that {@link ImageRequest#sampler} takes
 * @param steps how many steps the sampler takes
 * @param clip whether the predicted image is clamped to [-1, 1]
 * @param guidance what guides
 * @param scale of the guidance: for classifier-free guidance w, where 1 is none; for a classifier
 *     s, where 0 is none
 * @param fastScale the same for {@code ddim} with 25 steps
 * @param guidedChannels how many of the first channels classifier-free guidance changes; 0 for all
 * @param guidancePower of the power-cosine schedule of the scale; 0 for the same scale at all times
 * @param companion the file that the authors sample with: an autoencoder for a model on latents,
 *     the classifier of a guided one; empty for none
 * @param rounding how pixels become bytes
 */
public record SamplingDefaults(
    String sampler,
    int steps,
    boolean clip,
    Guidance guidance,
    double scale,
    double fastScale,
    int guidedChannels,
    double guidancePower,
    String companion,
    Rounding rounding) {

  /** The few steps for which ADM's authors guide more strongly. */
  private static final int FAST_STEPS = 25;

  /** What makes a picture show more of what was asked for. */
  public enum Guidance {
    NONE,
    /** "Classifier-Free Diffusion Guidance" (Ho and Salimans, 2022). */
    CLASSIFIER_FREE,
    /** The gradient of a classifier (Dhariwal and Nichol, 2021). */
    CLASSIFIER
  }

  /** Without guidance. */
  static SamplingDefaults unguided(String sampler, int steps, boolean clip, Rounding rounding) {
    return new SamplingDefaults(sampler, steps, clip, Guidance.NONE, 1, 1, 0, 0, "", rounding);
  }

  /** The same with classifier-free guidance. */
  SamplingDefaults classifierFree(double scale, int channels, double power) {
    return new SamplingDefaults(
        sampler,
        steps,
        clip,
        Guidance.CLASSIFIER_FREE,
        scale,
        scale,
        channels,
        power,
        companion,
        rounding);
  }

  /** The same guided by a classifier. */
  SamplingDefaults classifier(String file, double scale) {
    return classifier(file, scale, scale);
  }

  /** The same, guided more strongly where DDIM takes few steps. */
  SamplingDefaults classifier(String file, double scale, double fastScale) {
    return new SamplingDefaults(
        sampler, steps, clip, Guidance.CLASSIFIER, scale, fastScale, 0, 0, file, rounding);
  }

  /** The scale of the guidance with a sampler of so many steps. */
  double scaleOf(String with, int number) {
    return with.equals("ddim") && number == FAST_STEPS ? fastScale : scale;
  }

  /** The same with another number of steps. */
  SamplingDefaults withSteps(int value) {
    return new SamplingDefaults(
        sampler,
        value,
        clip,
        guidance,
        scale,
        fastScale,
        guidedChannels,
        guidancePower,
        companion,
        rounding);
  }

  /** The same with an autoencoder. */
  SamplingDefaults decodedBy(String file) {
    return new SamplingDefaults(
        sampler,
        steps,
        clip,
        guidance,
        scale,
        fastScale,
        guidedChannels,
        guidancePower,
        file,
        rounding);
  }
}
