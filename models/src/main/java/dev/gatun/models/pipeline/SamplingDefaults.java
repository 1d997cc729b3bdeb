package dev.gatun.models.pipeline;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.diffusion.NoiseSchedule;
import dev.gatun.models.diffusion.Prediction;
import dev.gatun.models.diffusion.Variance;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import java.util.Locale;

/**
 * How a checkpoint was trained, which decides how it must be sampled, and what its authors sample
 * with. A user can change the second kind; a mistake in the first gives noise, so it belongs to the
 * checkpoint.
 *
 * @param latent whether the network makes latents for an autoencoder rather than pixels
 * @param schedule name of the noise schedule: {@code linear} or {@code cosine}
 * @param trainSteps its length
 * @param prediction what the network predicts
 * @param variance of DDPM
 * @param clip whether the predicted image is clamped to [-1, 1]
 * @param sampler {@code ddim} or {@code ddpm}
 * @param steps how many steps the sampler takes
 * @param guidance scale of classifier-free guidance; 1 is none
 * @param guidanceChannels how many channels are guided; 0 for all
 * @param nullClass the label that means "no class", or -1 if there is none
 */
public record SamplingDefaults(
    boolean latent,
    String schedule,
    int trainSteps,
    Prediction prediction,
    Variance variance,
    boolean clip,
    String sampler,
    int steps,
    double guidance,
    int guidanceChannels,
    int nullClass) {

  /** The longest published schedules have 4000 steps; their β are held on the heap. */
  private static final int MAX_TRAIN_STEPS = 1 << 16;

  /** What the checkpoint's metadata say, else what DiT's own scripts do. */
  static SamplingDefaults of(Checkpoint checkpoint, NetworkConfig config) {
    var dit = (DiTConfig) config;
    var text = checkpoint.metadata().get("diffusion");
    if (text == null) {
      return ofScripts(dit);
    }
    if (Json.parse(text) instanceof JsonObject json) {
      return ofMetadata(json, dit);
    }
    throw new JsonException("the metadata 'diffusion' is not an object");
  }

  /**
   * {@code create_diffusion} and {@code sample.py} of DiT; models of fewer than four channels are
   * taken for pixels.
   */
  static SamplingDefaults ofScripts(DiTConfig config) {
    boolean latent = config.inChannels() == 4;
    return new SamplingDefaults(
        latent,
        "linear",
        1000,
        Prediction.EPSILON,
        config.learnSigma() ? Variance.LEARNED_RANGE : Variance.FIXED_LARGE,
        !latent,
        "ddpm",
        250,
        config.nullClass() < 0 ? 1 : 4,
        Math.min(3, config.inChannels()),
        config.nullClass());
  }

  private static SamplingDefaults ofMetadata(JsonObject json, DiTConfig config) {
    var space = json.string("space", "latent");
    if (!space.equals("pixel") && !space.equals("latent")) {
      throw new JsonException("key 'space' is '" + space + "', expected 'pixel' or 'latent'");
    }
    var time = json.string("time", "0..999");
    if (!time.equals("0..999")) {
      throw new JsonException("key 'time' is '" + time + "', expected '0..999'");
    }
    boolean latent = space.equals("latent");
    int trainSteps = bounded(json, "steps", 1000, 1, MAX_TRAIN_STEPS);
    int nullClass = bounded(json, "null_class", config.nullClass(), -1, config.labels() - 1);
    double guidance = json.number("guidance", 1);
    if (Math.abs(guidance) > ImageRequest.MAX_GUIDANCE) {
      throw new JsonException(
          "key 'guidance' is "
              + guidance
              + ", expected a number up to "
              + ImageRequest.MAX_GUIDANCE);
    }
    var defaults =
        new SamplingDefaults(
            latent,
            json.string("schedule", "linear"),
            trainSteps,
            prediction(json.string("prediction", "epsilon")),
            variance(
                json.string("variance", config.learnSigma() ? "learned_range" : "fixed_large")),
            json.bool("clip_denoised", !latent),
            "ddim",
            Math.min(50, trainSteps),
            nullClass < 0 ? 1 : guidance,
            0,
            nullClass);
    // one that does not exist is an error of the file, not of a request
    try {
      defaults.noiseSchedule();
    } catch (JsonException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw new JsonException("key 'steps' is " + trainSteps + ", too few: " + e.getMessage());
    }
    return defaults;
  }

  private static int bounded(JsonObject json, String key, int otherwise, int least, int most) {
    int value = json.integer(key, otherwise);
    if (value < least || value > most) {
      throw new JsonException(
          "key '" + key + "' is " + value + ", expected " + least + " to " + most);
    }
    return value;
  }

  private static Prediction prediction(String name) {
    return switch (name) {
      case "epsilon" -> Prediction.EPSILON;
      case "x_0" -> Prediction.X_0;
      default ->
          throw new JsonException(
              "key 'prediction' is '" + name + "', expected 'epsilon' or 'x_0'");
    };
  }

  private static Variance variance(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "learned_range" -> Variance.LEARNED_RANGE;
      case "fixed_small" -> Variance.FIXED_SMALL;
      case "fixed_large" -> Variance.FIXED_LARGE;
      default ->
          throw new JsonException(
              "key 'variance' is '"
                  + name
                  + "', expected 'learned_range', 'fixed_small' or 'fixed_large'");
    };
  }

  /** The noise schedule that the network was trained with. */
  NoiseSchedule noiseSchedule() {
    return switch (schedule) {
      case "linear" -> NoiseSchedule.linear(trainSteps);
      case "cosine", "squaredcos_cap_v2" -> NoiseSchedule.cosine(trainSteps);
      default ->
          throw new JsonException(
              "key 'schedule' is '" + schedule + "', expected 'linear' or 'cosine'");
    };
  }
}
