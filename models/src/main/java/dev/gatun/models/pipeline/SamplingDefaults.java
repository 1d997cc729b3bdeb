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
        config.nullClass() ? 4 : 1,
        3,
        config.nullClass() ? config.numClasses() : -1);
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
    int nullClass = json.integer("null_class", config.nullClass() ? config.numClasses() : -1);
    return new SamplingDefaults(
        latent,
        json.string("schedule", "linear"),
        json.integer("steps", 1000),
        json.string("prediction", "epsilon").equals("epsilon")
            ? Prediction.EPSILON
            : Prediction.X_0,
        variance(json.string("variance", config.learnSigma() ? "learned_range" : "fixed_large")),
        json.bool("clip_denoised", !latent),
        "ddim",
        50,
        nullClass < 0 ? 1 : json.number("guidance", 1),
        0,
        nullClass);
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
          throw new IllegalArgumentException(
              "schedule '" + schedule + "' is unknown: there are linear and cosine");
    };
  }
}
