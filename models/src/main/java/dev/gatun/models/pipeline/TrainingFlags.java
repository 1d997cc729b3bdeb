package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.models.diffusion.Prediction;
import dev.gatun.models.diffusion.Variance;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.models.pipeline.Training.Schedule;
import dev.gatun.models.pipeline.Training.Time;
import java.util.Arrays;

/**
 * The flags of the authors' training scripts, where a description of a network has them: {@code
 * noise_schedule}, {@code diffusion_steps}, {@code predict_xstart}, {@code sigma_small}, {@code
 * rescale_timesteps} of guided-diffusion, DiT and DiffiT, {@code pred} of U-ViT. Who leaves them
 * out has trained as the published checkpoints were.
 */
final class TrainingFlags {
  private TrainingFlags() {}

  /**
   * A recipe as the flags change it.
   *
   * @throws JsonException if a flag has a value that no training can have; the message names it
   */
  static Recipe apply(JsonObject flags, Recipe recipe, DiffusionConfig config) {
    var before = recipe.training();
    if (before == null) {
      return recipe; // which published checkpoint it is decides, and the user has yet to say
    }
    var schedule = schedule(flags, before.schedule());
    var after =
        new Training(
            before.latent(),
            schedule,
            steps(flags, before.steps()),
            time(flags, schedule, before),
            prediction(flags, before.prediction()),
            variance(flags, before.variance(), config),
            before.nullClass(),
            before.latentScale());
    if (after.equals(before)) {
      return recipe;
    }
    return new Recipe(
        MetadataRecipe.existing(after, "diffusion_steps"),
        sampling(recipe, after),
        "",
        recipe.candidates());
  }

  private static Schedule schedule(JsonObject flags, Schedule otherwise) {
    if (!flags.has("noise_schedule") || otherwise == Schedule.EDM) {
      return otherwise;
    }
    var discrete = Arrays.stream(Schedule.values()).filter(Schedule::discrete).toList();
    return MetadataRecipe.schedule("noise_schedule", flags.string("noise_schedule"), discrete);
  }

  private static int steps(JsonObject flags, int otherwise) {
    int steps = flags.integer("diffusion_steps", otherwise);
    if (steps < 1 || steps > MetadataRecipe.MAX_TRAIN_STEPS) {
      throw new JsonException(
          "key 'diffusion_steps' is %d, expected 1 to %d"
              .formatted(steps, MetadataRecipe.MAX_TRAIN_STEPS));
    }
    return steps;
  }

  private static Time time(JsonObject flags, Schedule schedule, Training before) {
    if (schedule.discrete() && flags.bool("rescale_timesteps", false)) {
      return Time.RESCALED;
    }
    return schedule == before.schedule() ? before.time() : schedule.usualTime();
  }

  private static Prediction prediction(JsonObject flags, Prediction otherwise) {
    return switch (flags.string("pred", "")) {
      case "" ->
          flags.has("predict_xstart")
              ? (flags.bool("predict_xstart") ? Prediction.X_0 : Prediction.EPSILON)
              : otherwise;
      case "noise_pred" -> Prediction.EPSILON;
      case "x0_pred" -> Prediction.X_0;
      case String other ->
          throw new JsonException(
              "key 'pred' is '" + other + "', expected 'noise_pred' or 'x0_pred'");
    };
  }

  /** A learned variance does without. */
  private static Variance variance(JsonObject flags, Variance otherwise, DiffusionConfig config) {
    boolean learned = config.outChannels() == 2 * config.inChannels();
    return !learned && flags.bool("sigma_small", false) ? Variance.FIXED_SMALL : otherwise;
  }

  /** A schedule of few steps cannot be sampled with more. */
  private static SamplingDefaults sampling(Recipe recipe, Training training) {
    var sampling = recipe.sampling();
    return training.schedule().discrete() && sampling.steps() > training.steps()
        ? sampling.withSteps(training.steps())
        : sampling;
  }
}
