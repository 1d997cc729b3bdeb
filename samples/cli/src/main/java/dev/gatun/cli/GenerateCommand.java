package dev.gatun.cli;

import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.diffusion.SamplerSettings.Levels;
import dev.gatun.models.diffusion.Samplers;
import dev.gatun.models.diffusion.Spacing;
import dev.gatun.models.diffusion.X0Correction;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.ImagePipeline;
import dev.gatun.models.pipeline.ImageRequest;
import dev.gatun.models.pipeline.PipelineLoader;
import dev.gatun.models.pipeline.Rng;
import dev.gatun.runtime.Backend;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/** Makes pictures. */
final class GenerateCommand implements Command {
  private final Main main;

  GenerateCommand(Main main) {
    this.main = main;
  }

  @Override
  public CommandSpec spec() {
    var spec =
        Command.spec(
                "generate",
                "Make pictures with a model; without arguments, with one that is bundled.")
            .addPositional(
                Command.parameter(
                    "MODEL",
                    false,
                    "A checkpoint file, or a bundled model. Default: " + ModelSource.DEFAULT + "."))
            .addOption(
                OptionSpec.builder("--class")
                    .paramLabel("C[,C...]")
                    .type(List.class)
                    .auxiliaryTypes(String.class)
                    .description(
                        "What to draw, by name or number; several in turn. Default: all in turn.")
                    .build())
            .addOption(
                Command.option(
                    "--prompt",
                    "TEXT",
                    String.class,
                    "What to draw, for a model that reads texts."))
            .addOption(
                Command.option(
                    "--prompts",
                    "FILE",
                    Path.class,
                    "A file with a text on each line, for a picture each."))
            .addOption(
                Command.option(
                    "--count",
                    "N",
                    Integer.class,
                    "How many pictures. Default: one for each --class or prompt, or 16."))
            .addOption(Command.option("--seed", "S", Long.class, "Seed of the noise. Default: 0."))
            .addOption(
                Command.option(
                    "--rng",
                    choices(Rng.values()),
                    String.class,
                    "A generator for each picture, or one as PyTorch has on a CPU or on CUDA."
                        + " Default: image."))
            .addOption(
                Command.option(
                    "--steps", "N", Integer.class, "Sampling steps. Default: the model's."))
            .addOption(
                Command.option(
                    "--respacing",
                    "TEXT",
                    String.class,
                    "Which steps ddpm and ddim keep, such as ddim25 or 90,60,60,20,20."))
            .addOption(
                Command.option(
                    "--sampler",
                    "NAME",
                    String.class,
                    "How to get from noise to a picture: ddim, ddpm, dpm-solver++, euler-a …"
                        + " Default: the model's."))
            .addOption(
                Command.option(
                    "--eta",
                    "X",
                    Double.class,
                    "Share of the noise that ddim and the ancestral samplers add, 0 to 1."))
            .addOption(
                Command.option(
                    "--churn", "X", Double.class, "How much the samplers of EDM stir. Default: 0."))
            .addOption(
                Command.option(
                    "--order",
                    "N",
                    Integer.class,
                    "Order of the solvers that come in several, such as dpm-solver++."))
            .addOption(
                Command.option(
                    "--spacing",
                    choices(Spacing.values()),
                    String.class,
                    "How DPM-Solver spreads its steps."))
            .addOption(
                Command.option(
                    "--levels",
                    choices(Levels.values()),
                    String.class,
                    "How the samplers of sigma space, such as edm, spread theirs."))
            .addOption(
                Command.option(
                    "--guidance",
                    "W",
                    Double.class,
                    "Scale of the guidance: classifier-free, where 1 is none, or of a classifier,"
                        + " where 0 is none. Default: the model's."))
            .addOption(
                Command.option(
                    "--guidance-channels",
                    "3|all",
                    String.class,
                    "How many channels are guided. Default: the model's."))
            .addOption(
                OptionSpec.builder("--clip")
                    .negatable(true)
                    .type(Boolean.class)
                    .description(
                        "Clamp the predicted picture in every step, or not. Default: the model's.")
                    .build())
            .addOption(
                Command.option(
                    "--threshold",
                    "Q",
                    Double.class,
                    "Instead of clamping, divide by the quantile Q of the predicted picture (dynamic"
                        + " thresholding), such as 0.995."))
            .addOption(
                Command.option(
                    "--size",
                    "PX",
                    Integer.class,
                    "Height and width, where they are to differ from what the model was trained"
                        + " with."))
            .addOption(
                Command.option(
                    "--vae",
                    "FILE",
                    Path.class,
                    "The autoencoder of a model on latents. Default: one beside the model."))
            .addOption(
                Command.option(
                    "--text-encoder",
                    "DIR",
                    Path.class,
                    "The folder of CLIP ViT-L/14, for a model that reads texts."))
            .addOption(
                Command.option(
                    "--classifier",
                    "FILE",
                    Path.class,
                    "The classifier that guides. Default: one beside the model."))
            .addOption(
                Command.option(
                    "--upsampler",
                    "FILE",
                    Path.class,
                    "A model that enlarges what this one makes."))
            .addOption(
                Command.option(
                    "--low-res",
                    "FILE.npz",
                    Path.class,
                    "The pictures that a model which enlarges is to enlarge."))
            .addOption(Command.preset())
            .addOption(Command.config());
    ComputeOptions.addTo(spec);
    return spec.addOption(
            Command.option(
                "--batch",
                "N",
                Integer.class,
                "How many pictures are computed together. Default: few with --rng image, else all."))
        .addOption(
            Command.option(
                "--out",
                "FILE.png|DIR|FILE.npz",
                String.class,
                "One sheet, a folder of single pictures, which can be continued, or an array for"
                    + " the evaluators. Default: MODEL-SEED.png."))
        .addOption(Command.flag("--json", "Print the result as a JSON object."));
  }

  @Override
  public void run(ParseResult arguments) throws IOException, InterruptedException {
    requireOneOf(arguments, "--prompt", "--prompts");
    requireOneOf(arguments, "--steps", "--respacing");
    requireOneOf(arguments, "--clip", "--threshold");
    long start = System.nanoTime();
    long seed = arguments.matchedOptionValue("--seed", 0L);
    var model = arguments.matchedPositionalValue(0, ModelSource.DEFAULT);
    boolean json = arguments.hasMatchedOption("--json");
    try (var backend = ComputeOptions.open(arguments, () -> ModelSource.storedPrecision(model));
        var pipeline = load(model, arguments, backend)) {
      double loadSeconds = since(start);
      var request = request(pipeline, arguments).seed(seed);
      var target = PictureTarget.of(arguments.matchedOptionValue("--out", null), name(model), seed);
      target.check(request);
      if (!json && ComputeOptions.lacksBf16(arguments, backend, pipeline.model().config())) {
        main.note(
            "bf16 is much faster here and draws almost the same: give --dtype bf16, or --dtype f32"
                + " to hear no more of it");
      }
      long sampling = System.nanoTime();
      PictureTarget.Outcome outcome;
      double stepSeconds;
      try (var bar = bar()) {
        outcome = target.make(request.onProgress((done, total, _) -> bar.step(done, total)));
        // to the last step: what an autoencoder takes after it is no part of any step
        stepSeconds = bar.total() == 0 ? 0 : (bar.lastStep() - sampling) / 1e9 / bar.total();
      }
      if (json) {
        print(request, outcome, since(start), stepSeconds, loadSeconds);
      } else {
        report(outcome, since(start));
      }
    }
  }

  /** What a model cannot be made to do is the user's choice, not the file's fault. */
  private static ImagePipeline load(String model, ParseResult arguments, Backend backend)
      throws CheckpointException {
    try {
      return loader(model, arguments).backend(backend).load();
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    }
  }

  private static PipelineLoader loader(String model, ParseResult arguments) {
    var loader =
        ModelSource.isBundled(model)
            ? ImagePipeline.bundledLoader(model)
            : ImagePipeline.loader(Path.of(model));
    given(arguments, "--config", loader::description);
    given(arguments, "--preset", loader::preset);
    given(arguments, "--vae", loader::autoencoder);
    given(arguments, "--text-encoder", loader::textEncoder);
    given(arguments, "--classifier", loader::classifier);
    given(arguments, "--upsampler", loader::upsampler);
    given(arguments, "--size", loader::size);
    return loader;
  }

  /** The name of a file without its folder. */
  private static String name(String model) {
    if (ModelSource.isBundled(model)) {
      return model;
    }
    var name = Path.of(model).toAbsolutePath().normalize().getFileName();
    return name == null ? "model" : name.toString();
  }

  private static double since(long nanos) {
    return (System.nanoTime() - nanos) / 1e9;
  }

  private ProgressBar bar() {
    var descriptor = System.getProperty("gatun.stderr", "/dev/fd/2");
    return new ProgressBar(
        main.err(), main.err() == System.err && ProgressBar.isTerminal(descriptor));
  }

  /** The model's own request with what the user changed; all wrong values show here. */
  private static ImageRequest request(ImagePipeline pipeline, ParseResult arguments) {
    var request = pipeline.request();
    try {
      given(arguments, "--rng", (String name) -> request.rng(choice("--rng", name, Rng.values())));
      given(arguments, "--class", (List<String> classes) -> request.classes(classes(classes)));
      given(arguments, "--prompt", (String prompt) -> request.prompts(prompt));
      given(arguments, "--prompts", (Path file) -> request.prompts(PromptFile.read(file)));
      given(arguments, "--low-res", (Path file) -> request.lowResolution(LowResolution.read(file)));
      given(arguments, "--count", request::count);
      given(arguments, "--steps", (Integer steps) -> request.steps(steps));
      given(arguments, "--respacing", request::respacing);
      given(arguments, "--sampler", (String name) -> request.sampler(sampler(name)));
      given(arguments, "--eta", request::eta);
      given(arguments, "--churn", request::churn);
      given(arguments, "--order", request::order);
      given(
          arguments,
          "--spacing",
          (String name) -> request.spacing(choice("--spacing", name, Spacing.values())));
      given(
          arguments,
          "--levels",
          (String name) -> request.levels(choice("--levels", name, Levels.values())));
      given(arguments, "--guidance", request::guidance);
      given(
          arguments,
          "--guidance-channels",
          (String channels) -> request.guidanceChannels(channels(channels)));
      given(arguments, "--clip", request::clip);
      given(
          arguments,
          "--threshold",
          (Double quantile) ->
              request.correction(new X0Correction.DynamicThresholding(quantile, 1)));
      given(arguments, "--batch", request::batch);
      return request.check();
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    }
  }

  private static <T> void given(ParseResult arguments, String option, Consumer<T> use) {
    if (arguments.hasMatchedOption(option)) {
      use.accept(arguments.matchedOptionValue(option, null));
    }
  }

  /** The names of what to draw, which the option separates by commas. */
  private static String[] classes(List<String> lists) {
    var names =
        lists.stream().flatMap(list -> Stream.of(list.split(",", -1))).toArray(String[]::new);
    for (var name : names) {
      if (name.isBlank()) {
        throw CommandException.usage(
            "--class is '" + String.join(",", lists) + "', where a name is empty; leave it out");
      }
    }
    return names;
  }

  /** A sampler that makes pictures; the request says why the others do not. */
  private static String sampler(String name) {
    if (Samplers.names().stream().noneMatch(name::equalsIgnoreCase)) {
      throw CommandException.usage(
          Samplers.all().stream()
              .filter(Samplers.Entry::makesImages)
              .map(Samplers.Entry::name)
              .collect(
                  Collectors.joining(", ", "there is no sampler '" + name + "'; there are ", "")));
    }
    return name;
  }

  /** Options that say the same thing: which of them holds is not for the program to choose. */
  private static void requireOneOf(ParseResult arguments, String one, String other) {
    if (arguments.hasMatchedOption(one) && arguments.hasMatchedOption(other)) {
      throw CommandException.usage(one + " and " + other + " exclude each other; give one of them");
    }
  }

  private static <E extends Enum<E>> String choices(E[] values) {
    return Stream.of(values).map(GenerateCommand::text).collect(Collectors.joining("|"));
  }

  private static String text(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static <E extends Enum<E>> E choice(String option, String text, E[] values) {
    return Stream.of(values)
        .filter(value -> text(value).equalsIgnoreCase(text))
        .findFirst()
        .orElseThrow(
            () ->
                CommandException.usage(
                    option + " is '" + text + "', expected " + choices(values).replace("|", ", ")));
  }

  private static int channels(String text) {
    if (text.equalsIgnoreCase("all")) {
      return 0;
    }
    if (!text.matches("[1-9][0-9]{0,8}")) {
      throw CommandException.usage(
          "--guidance-channels is '" + text + "', expected a number or all");
    }
    return Integer.parseInt(text);
  }

  private void report(PictureTarget.Outcome outcome, double total) {
    if (outcome.files().isEmpty()) {
      main.say("nothing to do");
      return;
    }
    var first = outcome.files().getFirst();
    var where = outcome.files().size() == 1 ? first : first.getParent();
    var found = outcome.found() == 0 ? "" : ", " + outcome.found() + " were there";
    main.say(
        "wrote " + where + ": " + pictures(outcome.made()) + found + ", " + Seconds.text(total));
  }

  private static String pictures(int count) {
    return count == 1 ? "1 picture" : count + " pictures";
  }

  private void print(
      ImageRequest request, PictureTarget.Outcome outcome, double total, double step, double load) {
    var made = request.parameters();
    var members = new LinkedHashMap<String, Json>();
    members.put(
        "files",
        new JsonArray(
            outcome.files().stream().<Json>map(f -> new JsonString(f.toString())).toList()));
    members.put("seed", JsonNumber.of(Long.parseLong(made.get("seed"))));
    members.put("model", new JsonString(made.get("model")));
    members.put("sampler", new JsonString(made.get("sampler")));
    members.put("steps", JsonNumber.of(request.steps()));
    members.put("guidance", JsonNumber.of(Double.parseDouble(made.get("guidance"))));
    members.put("total_s", Seconds.json(total));
    members.put("step_s", Seconds.json(step));
    members.put("load_s", Seconds.json(load));
    main.print(members);
  }
}
