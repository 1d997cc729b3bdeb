package dev.gatun.cli;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonBool;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.ModelFile;
import dev.gatun.models.pipeline.Recipe;
import dev.gatun.models.pipeline.SamplingDefaults;
import dev.gatun.models.pipeline.Training;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** Tells what a checkpoint is, from its description alone: no number is read. */
final class InfoCommand implements Command {
  private static final int SHOWN = 5;
  private static final int SHOWN_CLASSES = 40;

  private final Main main;

  InfoCommand(Main main) {
    this.main = main;
  }

  @Override
  public CommandSpec spec() {
    return Command.spec(
            "info", "Show what a checkpoint is, what is missing in it and what is left over.")
        .addPositional(
            Command.parameter("FILE|NAME", true, "A checkpoint file, or a bundled model."))
        .addOption(Command.config())
        .addOption(Command.preset())
        .addOption(Command.flag("--json", "Print a JSON object."));
  }

  @Override
  public void run(ParseResult arguments) throws IOException {
    try (var source = ModelSource.open(arguments.matchedPositionalValue(0, null))) {
      var members = new LinkedHashMap<String, Json>();
      members.put("file", new JsonString(source.name()));
      members.put("format", new JsonString(source.checkpoint().format()));
      members.put("tensors", JsonNumber.of(source.checkpoint().tensors().size()));
      members.put("dtypes", strings(ModelFile.dtypes(source.checkpoint())));
      String reason = null;
      ModelFile file = null;
      try {
        file =
            source.recognise(
                arguments.matchedOptionValue("--config", null),
                arguments.matchedOptionValue("--preset", ""));
        describe(file, members);
      } catch (CheckpointException e) {
        if (arguments.hasMatchedOption("--config") || arguments.hasMatchedOption("--preset")) {
          throw e; // what the user said of the file does not hold
        }
        reason = e.getMessage();
        members.put("reason", new JsonString(reason));
      }
      if (arguments.hasMatchedOption("--json")) {
        main.print(members);
        return;
      }
      line("file", source.name());
      if (file != null) {
        show(file);
      } else {
        line("network", "not recognised: " + reason);
      }
      show(source.checkpoint());
    }
  }

  private static void describe(ModelFile file, LinkedHashMap<String, Json> members) {
    members.put("network", new JsonString(file.config().model()));
    members.put("name", new JsonString(file.config().name()));
    members.put("layout", new JsonString(file.layout().name()));
    members.put("origin", new JsonString(file.origin()));
    members.put("parameters", JsonNumber.of(file.config().parameters()));
    members.put("classes", strings(file.classes()));
    if (file.recipe() != null) {
      members.put("preset", new JsonString(file.recipe().preset()));
      members.put("candidates", strings(file.recipe().candidates()));
      if (file.recipe().training() != null) {
        members.put("training", training(file.recipe().training()));
        members.put("sampling", sampling(file.recipe().sampling()));
      }
    }
    members.put("missing", strings(file.missing()));
    members.put("left_over", strings(file.leftOver()));
  }

  private static JsonObject training(Training training) {
    var members = new LinkedHashMap<String, Json>();
    members.put("space", new JsonString(space(training)));
    members.put("schedule", new JsonString(lower(training.schedule())));
    members.put("train_steps", JsonNumber.of(training.steps()));
    members.put("time", new JsonString(training.time().text()));
    members.put("prediction", new JsonString(lower(training.prediction())));
    members.put("variance", new JsonString(lower(training.variance())));
    members.put("null_class", JsonNumber.of(training.nullClass()));
    members.put("latent_scale", JsonNumber.of(training.latentScale()));
    return new JsonObject(members);
  }

  private static JsonObject sampling(SamplingDefaults sampling) {
    var members = new LinkedHashMap<String, Json>();
    members.put("sampler", new JsonString(sampling.sampler()));
    members.put("steps", JsonNumber.of(sampling.steps()));
    members.put("clip", new JsonBool(sampling.clip()));
    members.put("guided_by", new JsonString(lower(sampling.guidance())));
    members.put("guidance", JsonNumber.of(sampling.scale()));
    members.put("guidance_channels", JsonNumber.of(sampling.guidedChannels()));
    members.put("guidance_power", JsonNumber.of(sampling.guidancePower()));
    members.put("companion", new JsonString(sampling.companion()));
    members.put("rounding", new JsonString(lower(sampling.rounding())));
    return new JsonObject(members);
  }

  private void show(ModelFile file) {
    var config = file.config();
    line("network", config.name() + "; known from " + file.origin());
    line("parameters", grouped(config.parameters()));
    if (!file.classes().isEmpty()) {
      line("classes", file.classes().size() + ": " + some(file.classes(), SHOWN_CLASSES));
    }
    if (file.recipe() != null) {
      show(file.recipe());
    } else {
      line("use", "it makes no pictures by itself, it works with a model that does");
    }
    line("missing", some(file.missing(), SHOWN));
    line("left over", some(file.leftOver(), SHOWN));
  }

  private void show(Recipe recipe) {
    if (recipe.training() == null) {
      line("preset", "one of " + String.join(", ", recipe.candidates()) + "; --preset decides");
      return;
    }
    line("preset", recipe.preset().isEmpty() ? "none" : recipe.preset());
    var training = recipe.training();
    line(
        "training",
        space(training)
            + " space, "
            + lower(training.schedule())
            + " schedule of "
            + training.steps()
            + " steps, time "
            + training.time().text()
            + ", predicts "
            + lower(training.prediction())
            + ", variance "
            + lower(training.variance()));
    var sampling = recipe.sampling();
    line(
        "sampling",
        sampling.sampler()
            + ", "
            + sampling.steps()
            + " steps, guidance "
            + guidance(sampling)
            + (sampling.clip() ? ", clipped" : ", not clipped"));
    if (!sampling.companion().isEmpty()) {
      line("works with", sampling.companion());
    }
  }

  private static String guidance(SamplingDefaults sampling) {
    return switch (sampling.guidance()) {
      case NONE -> "none";
      case CLASSIFIER -> sampling.scale() + " by a classifier";
      case CLASSIFIER_FREE ->
          sampling.scale()
              + (sampling.guidedChannels() == 0
                  ? ""
                  : " on " + sampling.guidedChannels() + " channels")
              + (sampling.guidancePower() == 0
                  ? ""
                  : ", rising as a cosine of power " + sampling.guidancePower());
    };
  }

  private void show(Checkpoint checkpoint) {
    var tensors = checkpoint.tensors().values();
    line("format", checkpoint.format());
    line("tensors", tensors.size() + " of " + String.join(", ", ModelFile.dtypes(checkpoint)));
    tensors.stream().limit(SHOWN).forEach(tensor -> line("", tensor.toString()));
    if (tensors.size() > SHOWN) {
      line("", "and " + (tensors.size() - SHOWN) + " more");
    }
  }

  private void line(String label, String text) {
    main.say(label + " ".repeat(12 - label.length()) + text);
  }

  /** The first of some names of a file. */
  private static String some(List<String> names, int most) {
    if (names.isEmpty()) {
      return "nothing";
    }
    var shown =
        names.stream().limit(most).map(CheckpointException::show).collect(Collectors.joining(", "));
    return names.size() <= most ? shown : shown + " and " + (names.size() - most) + " more";
  }

  private static String space(Training training) {
    return training.latent() ? "latent" : "pixel";
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /** Three digits at a time: 1,234,567. */
  private static String grouped(long number) {
    return Long.toString(number).replaceAll("(?<=[0-9])(?=([0-9]{3})+$)", ",");
  }

  private static JsonArray strings(List<String> values) {
    return new JsonArray(values.stream().<Json>map(JsonString::new).toList());
  }
}
