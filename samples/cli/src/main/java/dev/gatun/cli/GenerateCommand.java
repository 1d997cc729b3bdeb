package dev.gatun.cli;

import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.GeneratedImages;
import dev.gatun.models.pipeline.ImagePipeline;
import dev.gatun.models.pipeline.ImageRequest;
import dev.gatun.models.pipeline.Rng;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
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
                    .paramLabel("C")
                    .type(List.class)
                    .auxiliaryTypes(String.class)
                    .splitRegex(",")
                    .description(
                        "What to draw, by name or number; several in turn. Default: all in turn.")
                    .build())
            .addOption(
                Command.option(
                    "--count",
                    "N",
                    Integer.class,
                    "How many pictures. Default: one for each --class, or 16."))
            .addOption(Command.option("--seed", "S", Long.class, "Seed of the noise. Default: 0."))
            .addOption(
                Command.option(
                    "--rng",
                    "image|torch|cuda",
                    String.class,
                    "A generator for each picture, or one as PyTorch has on a CPU or on CUDA."
                        + " Default: image."))
            .addOption(
                Command.option(
                    "--steps", "N", Integer.class, "Sampling steps. Default: the model's."))
            .addOption(
                Command.option(
                    "--sampler",
                    "ddim|ddpm",
                    String.class,
                    "How to get from noise to a picture. Default: the model's."))
            .addOption(
                Command.option(
                    "--eta",
                    "X",
                    Double.class,
                    "Share of DDPM's noise that ddim adds, 0 to 1. Default: 0."))
            .addOption(
                Command.option(
                    "--guidance",
                    "W",
                    Double.class,
                    "Scale of classifier-free guidance; 1 is none. Default: the model's."))
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
                "FILE.png|DIR",
                String.class,
                "One sheet, or a folder of single pictures. Default: MODEL-SEED.png."))
        .addOption(Command.flag("--json", "Print the result as a JSON object."));
  }

  @Override
  public void run(ParseResult arguments) throws IOException, InterruptedException {
    long start = System.nanoTime();
    long seed = arguments.matchedOptionValue("--seed", 0L);
    try (var source = ModelSource.open(arguments.matchedPositionalValue(0, ModelSource.DEFAULT));
        var backend = ComputeOptions.open(arguments);
        var pipeline =
            ImagePipeline.load(
                source.checkpoint(),
                source.recognise(arguments.matchedOptionValue("--config", null)),
                backend)) {
      double loadSeconds = since(start);
      var request = request(pipeline, arguments).seed(seed);
      var files = PictureFiles.of(arguments.matchedOptionValue("--out", null), source.name(), seed);
      files.check();
      long sampling = System.nanoTime();
      GeneratedImages images;
      double stepSeconds;
      try (var bar = bar()) {
        images = request.onProgress((done, total, _) -> bar.step(done, total)).generate();
        stepSeconds = since(sampling) / bar.total();
      }
      var written = files.write(images);
      if (arguments.hasMatchedOption("--json")) {
        print(images, written, seed, since(start), stepSeconds, loadSeconds);
      } else {
        report(images, written, since(start));
      }
    }
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
      given(arguments, "--rng", (String name) -> request.rng(rng(name)));
      given(
          arguments,
          "--class",
          (List<String> classes) -> request.classes(classes.toArray(String[]::new)));
      given(arguments, "--count", request::count);
      given(arguments, "--steps", request::steps);
      given(arguments, "--sampler", request::sampler);
      given(
          arguments,
          "--eta",
          (Double eta) -> {
            requireDdim(
                arguments.matchedOptionValue("--sampler", pipeline.model().sampling().sampler()));
            request.eta(eta);
          });
      given(arguments, "--guidance", request::guidance);
      given(
          arguments,
          "--guidance-channels",
          (String channels) -> request.guidanceChannels(channels(channels)));
      given(arguments, "--clip", request::clip);
      given(arguments, "--batch", request::batch);
      return request;
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    }
  }

  private static <T> void given(ParseResult arguments, String option, Consumer<T> use) {
    if (arguments.hasMatchedOption(option)) {
      use.accept(arguments.matchedOptionValue(option, null));
    }
  }

  private static void requireDdim(String sampler) {
    if (!sampler.equalsIgnoreCase("ddim")) {
      throw CommandException.usage("--eta belongs to the sampler ddim, this is " + sampler);
    }
  }

  private static Rng rng(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "image" -> Rng.IMAGE;
      case "torch" -> Rng.TORCH;
      case "cuda" -> Rng.CUDA;
      default ->
          throw CommandException.usage("--rng is '" + name + "', expected image, torch or cuda");
    };
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

  private void report(GeneratedImages images, List<Path> files, double total) {
    var where = files.size() == 1 ? files.getFirst() : files.getFirst().getParent();
    var pictures = images.count() == 1 ? "1 picture" : images.count() + " pictures";
    main.out().println("wrote " + where + ": " + pictures + ", " + Seconds.text(total));
  }

  private void print(
      GeneratedImages images, List<Path> files, long seed, double total, double step, double load) {
    var made = images.parameters();
    var members = new LinkedHashMap<String, Json>();
    members.put(
        "files",
        new JsonArray(files.stream().<Json>map(f -> new JsonString(f.toString())).toList()));
    members.put("seed", JsonNumber.of(seed));
    members.put("model", new JsonString(made.get("model")));
    members.put("sampler", new JsonString(made.get("sampler")));
    members.put("steps", JsonNumber.of(Long.parseLong(made.get("steps"))));
    members.put("guidance", JsonNumber.of(Double.parseDouble(made.get("guidance"))));
    members.put("total_s", Seconds.json(total));
    members.put("step_s", Seconds.json(step));
    members.put("load_s", Seconds.json(load));
    main.print(members);
  }
}
