package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.diffusion.Prediction;
import dev.gatun.models.diffusion.Variance;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.models.pipeline.Training.Schedule;
import dev.gatun.models.pipeline.Training.Time;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The recipe that a checkpoint's metadata or a description has as {@code diffusion}, such as {@code
 * {"space": "pixel", "schedule": "vp", "prediction": "epsilon", "time": "999t", "guidance": 1.5}}.
 */
final class MetadataRecipe {
  /** The longest published schedules have 4000 steps; their β are held on the heap. */
  static final int MAX_TRAIN_STEPS = 1 << 16;

  private MetadataRecipe() {}

  /**
   * @throws JsonException if a value is none that a training can have; the message names its key
   */
  static Recipe read(JsonObject json, DiffusionConfig config) {
    var training = training(json, config);
    boolean clip = json.bool("clip_denoised", !training.latent());
    var sampling =
        switch (training.schedule()) {
          // Noise on the way mends what a small network gets wrong: of uvit-digits' digits the
          // classifier recognises 97 in 100, with as many steps of a solver without noise 87.
          case VP -> unguided("euler-a", 50, clip && json.has("clip_denoised"));
          case EDM -> unguided("edm", 18, clip && json.has("clip_denoised"));
          default -> unguided("ddim", Math.min(50, training.steps()), clip);
        };
    return new Recipe(training, guided(json, config, training, sampling), "", List.of());
  }

  private static SamplingDefaults unguided(String sampler, int steps, boolean clip) {
    return SamplingDefaults.unguided(sampler, steps, clip, Rounding.NEAREST);
  }

  private static Training training(JsonObject json, DiffusionConfig config) {
    var space = json.string("space", config.inChannels() == 4 ? "latent" : "pixel");
    if (!space.equals("pixel") && !space.equals("latent")) {
      throw new JsonException("key 'space' is '" + space + "', expected 'pixel' or 'latent'");
    }
    var schedule = schedule(json.string("schedule", "linear"));
    int labels = config.numClasses() + (config.nullClass() >= 0 ? 1 : 0);
    int nullClass =
        bounded(
            json, "null_class", config.nullClass(), -1, Math.max(config.nullClass(), labels - 1));
    var training =
        new Training(
            space.equals("latent"),
            schedule,
            bounded(json, "steps", 1000, 1, MAX_TRAIN_STEPS),
            time(json, schedule),
            prediction(json.string("prediction", "epsilon")),
            variance(json, config),
            nullClass,
            scale(json));
    requireRates(json);
    return existing(training, "steps");
  }

  /**
   * Requires that there is such a schedule; one that does not exist is an error of the file, not of
   * a request.
   *
   * @param key that says the number of steps
   */
  static Training existing(Training training, String key) {
    try {
      if (training.schedule().discrete()) {
        training.told();
      }
      return training;
    } catch (IllegalArgumentException e) {
      throw new JsonException(
          "key '" + key + "' is " + training.steps() + ", too few: " + e.getMessage());
    }
  }

  /** The rates of the continuous diffusion are those of the paper. */
  private static void requireRates(JsonObject json) {
    if (json.number("beta_0", 0.1) != 0.1 || json.number("beta_1", 20) != 20) {
      throw new JsonException("keys 'beta_0' and 'beta_1' can only be 0.1 and 20");
    }
  }

  private static Schedule schedule(String name) {
    return schedule("schedule", name, Arrays.asList(Schedule.values()));
  }

  /**
   * One of some schedules.
   *
   * @param key that names it
   */
  static Schedule schedule(String key, String name, List<Schedule> possible) {
    var plain = name.equals("squaredcos_cap_v2") ? "cosine" : name;
    return possible.stream()
        .filter(schedule -> schedule.text().equals(plain))
        .findFirst()
        .orElseThrow(
            () ->
                new JsonException(
                    "key '"
                        + key
                        + "' is '"
                        + name
                        + "', expected one of "
                        + possible.stream().map(Schedule::text).collect(Collectors.joining(", "))));
  }

  private static Time time(JsonObject json, Schedule schedule) {
    var usual = schedule.usualTime();
    var text = json.string("time", usual.text());
    var possible =
        schedule.discrete() ? List.of(Time.INDEX, Time.NUMBER, Time.RESCALED) : List.of(usual);
    return possible.stream()
        .filter(time -> time.text().equals(text))
        .findFirst()
        .orElseThrow(
            () ->
                new JsonException(
                    "key 'time' is '"
                        + text
                        + "', expected "
                        + possible.stream()
                            .map(time -> "'" + time.text() + "'")
                            .collect(Collectors.joining(" or "))));
  }

  private static Prediction prediction(String name) {
    return switch (name) {
      case "epsilon" -> Prediction.EPSILON;
      case "x_0" -> Prediction.X_0;
      case "v" -> Prediction.V;
      case "score" -> Prediction.SCORE;
      default ->
          throw new JsonException(
              "key 'prediction' is '" + name + "', expected 'epsilon', 'x_0', 'v' or 'score'");
    };
  }

  private static Variance variance(JsonObject json, DiffusionConfig config) {
    boolean learned = config.outChannels() == 2 * config.inChannels();
    var name =
        json.string("variance", learned ? "learned_range" : "fixed_large").toLowerCase(Locale.ROOT);
    var known =
        Arrays.stream(Variance.values())
            .filter(value -> value.name().toLowerCase(Locale.ROOT).equals(name))
            .findFirst();
    if (known.isPresent()) {
      return known.get();
    }
    if (name.equals("none")) {
      return learned ? Variance.LEARNED_RANGE : Variance.FIXED_LARGE;
    }
    throw new JsonException(
        "key 'variance' is '"
            + name
            + "', expected 'learned_range', 'fixed_small', 'fixed_large' or 'none'");
  }

  private static double scale(JsonObject json) {
    double scale = json.number("scale_factor", Training.STABLE_DIFFUSION_SCALE);
    if (!(scale > 0 && scale < Double.POSITIVE_INFINITY)) {
      throw new JsonException("key 'scale_factor' is " + scale + ", expected a positive number");
    }
    return scale;
  }

  private static SamplingDefaults guided(
      JsonObject json, DiffusionConfig config, Training training, SamplingDefaults sampling) {
    if (json.has("classifier")) {
      return sampling.classifier(json.string("classifier"), guidance(json, "classifier_scale", 1));
    }
    boolean guidable = training.nullClass() >= 0 || config.conditioning() == Conditioning.TEXT;
    double scale = guidance(json, "guidance", 1);
    var guided = guidable ? sampling.classifierFree(scale, 0, 0) : sampling;
    return training.latent() ? guided.decodedBy("autoencoder") : guided;
  }

  private static double guidance(JsonObject json, String key, double otherwise) {
    double scale = json.number(key, otherwise);
    if (!(Math.abs(scale) <= ImageRequest.MAX_GUIDANCE)) {
      throw new JsonException(
          "key '"
              + key
              + "' is "
              + scale
              + ", expected a number up to "
              + ImageRequest.MAX_GUIDANCE);
    }
    return scale;
  }

  private static int bounded(JsonObject json, String key, int otherwise, int least, int most) {
    int value = json.integer(key, otherwise);
    if (value < least || value > most) {
      throw new JsonException(
          "key '" + key + "' is " + value + ", expected " + least + " to " + most);
    }
    return value;
  }
}
