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
    LINEAR("linear"),
    /** "Improved DDPM": ADM at 64 pixels. */
    COSINE("cosine"),
    /** √β from √0.00085 to √0.012, of Stable Diffusion: U-ViT-H and U-ViT on MS-COCO. */
    SCALED_LINEAR("scaled_linear"),
    /** √β evenly, of early diffusion models. */
    QUAD("quad"),
    /** The same β throughout. */
    CONST("const"),
    /** β = 1/T, 1/(T − 1), … 1. */
    JSD("jsd"),
    /** β rising for a tenth of the steps, then the same. */
    WARMUP10("warmup10"),
    /** β rising for half of the steps, then the same. */
    WARMUP50("warmup50"),
    /** The continuous variance-preserving SDE with β from 0.1 to 20: the other U-ViT. */
    VP("vp"),
    /** Any noise level σ, "Elucidating the Design Space" (Karras et al., 2022). */
    EDM("edm");

    private final String text;

    Schedule(String text) {
      this.text = text;
    }

    /** As descriptions write it; those of a number of steps also as {@link NoiseSchedule#named}. */
    public String text() {
      return text;
    }

    /** Whether it is made of steps. */
    boolean discrete() {
      return this != VP && this != EDM;
    }

    /** What the networks of the papers are told with it. */
    Time usualTime() {
      return switch (this) {
        case SCALED_LINEAR -> Time.NUMBER;
        case VP -> Time.CONTINUOUS;
        case EDM -> Time.LOG_SIGMA;
        default -> Time.INDEX;
      };
    }
  }

  /** What a network is told of the time. */
  public enum Time {
    /** The index of the step in the training's schedule, from 0. */
    INDEX("0..999"),
    /** The number of the step in the training's schedule, from 1. */
    NUMBER("1..1000"),
    /** The index of the step, times 1000 over the number of steps. */
    RESCALED("rescaled"),
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
      case VP -> new DiffusionProcess.Continuous(LinearVp.uvit(), prediction);
      case EDM -> DiffusionProcess.Edm.standard();
      default -> new DiffusionProcess.Discrete(told(), prediction, variance);
    };
  }

  /** The schedule of steps, with what the network is told at each. */
  NoiseSchedule told() {
    var noise = NoiseSchedule.named(schedule.text, steps);
    return switch (time) {
      case NUMBER -> noise.toldAs(i -> i + 1);
      case RESCALED -> noise.toldAs(i -> i * 1000.0 / steps);
      default -> noise;
    };
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
