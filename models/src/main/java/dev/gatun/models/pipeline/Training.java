package dev.gatun.models.pipeline;

import dev.gatun.models.diffusion.DiffusionProcess;
import dev.gatun.models.diffusion.LinearVp;
import dev.gatun.models.diffusion.NoiseSchedule;
import dev.gatun.models.diffusion.Prediction;
import dev.gatun.models.diffusion.Variance;

/**
 * How a network was trained, which decides how it must be sampled. A mistake in any of this loads
 * without an error and gives noise, so it belongs to the checkpoint and is not a user's to choose.
 *
 * @param latent whether the network makes latents for an autoencoder rather than pixels
 * @param schedule how the noise rises
 * @param steps the length of a discrete schedule
 * @param time what the network is told of the time
 * @param prediction what the network predicts
 * @param variance of a step of DDPM
 * @param nullClass the label that means "no class", or -1 if there is none
 * @param latentScale what the autoencoder's latents were multiplied with
 */
public record Training(
    boolean latent,
    Schedule schedule,
    int steps,
    Time time,
    Prediction prediction,
    Variance variance,
    int nullClass,
    double latentScale) {

  /** The noise schedules of the papers. */
  public enum Schedule {
    /** β from 10⁻⁴ to 0.02, of DDPM: DiT, DiffiT, ADM. */
    LINEAR,
    /** "Improved DDPM": ADM at 64 pixels. */
    COSINE,
    /** √β from √0.00085 to √0.012, of Stable Diffusion: U-ViT-H and U-ViT on MS-COCO. */
    SCALED_LINEAR,
    /** The continuous variance-preserving SDE with β from 0.1 to 20: the other U-ViT. */
    VP,
    /** Any noise level σ, "Elucidating the Design Space" (Karras et al., 2022). */
    EDM
  }

  /** What a network is told of the time. */
  public enum Time {
    /** The index of the step in the training's schedule, from 0. */
    INDEX("0..999"),
    /** The number of the step in the training's schedule, from 1. */
    NUMBER("1..1000"),
    /** {@code 999·t} for t from 0 to 1. */
    CONTINUOUS("999t"),
    /** {@code ln(σ)/4}. */
    LOG_SIGMA("ln(sigma)/4");

    private final String text;

    Time(String text) {
      this.text = text;
    }

    /** As descriptions write it. */
    public String text() {
      return text;
    }
  }

  /** The factor of Stable Diffusion's latents. */
  public static final double STABLE_DIFFUSION_SCALE = 0.18215;

  /** The diffusion as samplers know it. */
  DiffusionProcess process() {
    return switch (schedule) {
      case LINEAR -> discrete(NoiseSchedule.linear(steps));
      case COSINE -> discrete(NoiseSchedule.cosine(steps));
      case SCALED_LINEAR -> discrete(NoiseSchedule.scaledLinear(steps));
      case VP -> new DiffusionProcess.Continuous(LinearVp.uvit(), prediction);
      case EDM -> DiffusionProcess.Edm.standard();
    };
  }

  private DiffusionProcess discrete(NoiseSchedule noise) {
    var told = time == Time.NUMBER ? noise.toldAs(i -> i + 1) : noise;
    return new DiffusionProcess.Discrete(told, prediction, variance);
  }

  /** Trained on pixels, with the noise of a discrete schedule of 1000 steps. */
  static Training pixels(Schedule schedule, Time time, Variance variance) {
    return new Training(
        false, schedule, 1000, time, Prediction.EPSILON, variance, -1, STABLE_DIFFUSION_SCALE);
  }

  /** The same, on latents. */
  Training onLatents() {
    return new Training(true, schedule, steps, time, prediction, variance, nullClass, latentScale);
  }

  /** The same, with a label for "no class". */
  Training withNullClass(int label) {
    return new Training(latent, schedule, steps, time, prediction, variance, label, latentScale);
  }

  /** The same, with another scale of the latents. */
  Training withLatentScale(double scale) {
    return new Training(latent, schedule, steps, time, prediction, variance, nullClass, scale);
  }
}
