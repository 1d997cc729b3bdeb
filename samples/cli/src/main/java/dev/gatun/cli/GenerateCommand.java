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
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes pictures. */
@CommandLine.Command(
    name = "generate",
    description = "Make pictures with a model; without arguments, with one that is bundled.",
    sortOptions = false)
final class GenerateCommand implements Command {
  private final Main main;

  @Parameters(
      index = "0",
      arity = "0..1",
      paramLabel = "MODEL",
      description = "A checkpoint file, or a bundled model. Default: " + ModelSource.DEFAULT + ".")
  private String model = ModelSource.DEFAULT;

  @Option(
      names = "--class",
      paramLabel = "C",
      split = ",",
      description = "What to draw, by name or number; several in turn. Default: all in turn.")
  private List<String> classes;

  @Option(
      names = "--count",
      paramLabel = "N",
      description = "How many pictures. Default: one for each --class, or 16.")
  private Integer count;

  @Option(names = "--seed", paramLabel = "S", description = "Seed of the noise. Default: 0.")
  private long seed;

  @Option(
      names = "--rng",
      paramLabel = "image|torch|cuda",
      description =
          "A generator for each picture, or one as PyTorch has on a CPU or on CUDA."
              + " Default: image.")
  private String rng = "image";

  @Option(names = "--steps", paramLabel = "N", description = "Steps. Default: the model's.")
  private Integer steps;

  @Option(
      names = "--sampler",
      paramLabel = "ddim|ddpm",
      description = "How to get from noise to a picture. Default: the model's.")
  private String sampler;

  @Option(
      names = "--eta",
      paramLabel = "X",
      description = "Share of DDPM's noise that ddim adds, 0 to 1. Default: 0.")
  private Double eta;

  @Option(
      names = "--guidance",
      paramLabel = "W",
      description = "Scale of classifier-free guidance; 1 is none. Default: the model's.")
  private Double guidance;

  @Option(
      names = "--guidance-channels",
      paramLabel = "3|all",
      description = "How many channels are guided. Default: the model's.")
  private String guidanceChannels;

  @Option(
      names = "--clip",
      negatable = true,
      description = "Clamp the predicted picture in every step, or not. Default: the model's.")
  private Boolean clip;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "A JSON description of the network, where the checkpoint has none.")
  private Path config;

  @Mixin private ComputeOptions compute = new ComputeOptions();

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "How many pictures are computed together. Default: 16.")
  private Integer batch;

  @Option(
      names = "--out",
      paramLabel = "FILE.png|DIR",
      description = "One sheet, or a folder of single pictures. Default: MODEL-SEED.png.")
  private String out;

  @Option(names = "--json", description = "Print the result as a JSON object.")
  private boolean json;

  GenerateCommand(Main main) {
    this.main = main;
  }

  @Override
  public void run() throws IOException, InterruptedException {
    long start = System.nanoTime();
    try (var source = ModelSource.open(model);
        var backend = compute.open();
        var pipeline = ImagePipeline.load(source.checkpoint(), source.recognise(config), backend)) {
      double loadSeconds = since(start);
      var request = request(pipeline);
      var files = PictureFiles.of(out, source.name(), seed);
      files.check();
      long sampling = System.nanoTime();
      GeneratedImages images;
      double stepSeconds;
      try (var bar = bar()) {
        images = request.onProgress((done, total, _) -> bar.step(done, total)).generate();
        stepSeconds = since(sampling) / bar.total();
      }
      var written = files.write(images);
      report(images, written, since(start), stepSeconds, loadSeconds);
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
  private ImageRequest request(ImagePipeline pipeline) {
    try {
      var request = pipeline.request().seed(seed).rng(rng());
      if (classes != null) {
        request.classes(classes.toArray(String[]::new));
      }
      if (count != null) {
        request.count(count);
      }
      if (steps != null) {
        request.steps(steps);
      }
      if (sampler != null) {
        request.sampler(sampler);
      }
      if (eta != null) {
        requireDdim(sampler == null ? pipeline.model().sampling().sampler() : sampler);
        request.eta(eta);
      }
      if (guidance != null) {
        request.guidance(guidance);
      }
      if (guidanceChannels != null) {
        request.guidanceChannels(channels());
      }
      if (clip != null) {
        request.clip(clip);
      }
      if (batch != null) {
        request.batch(batch);
      }
      return request;
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    }
  }

  private static void requireDdim(String sampler) {
    if (!sampler.equalsIgnoreCase("ddim")) {
      throw CommandException.usage("--eta belongs to the sampler ddim, this is " + sampler);
    }
  }

  private Rng rng() {
    return switch (rng.toLowerCase(Locale.ROOT)) {
      case "image" -> Rng.IMAGE;
      case "torch" -> Rng.TORCH;
      case "cuda" -> Rng.CUDA;
      default ->
          throw CommandException.usage("--rng is '" + rng + "', expected image, torch or cuda");
    };
  }

  private int channels() {
    if (guidanceChannels.equalsIgnoreCase("all")) {
      return 0;
    }
    if (!guidanceChannels.matches("[1-9][0-9]{0,8}")) {
      throw CommandException.usage(
          "--guidance-channels is '" + guidanceChannels + "', expected a number or all");
    }
    return Integer.parseInt(guidanceChannels);
  }

  private void report(
      GeneratedImages images, List<Path> files, double total, double step, double load) {
    var made = images.parameters();
    if (json) {
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
      return;
    }
    var where = files.size() == 1 ? files.getFirst() : files.getFirst().getParent();
    var pictures = images.count() == 1 ? "1 picture" : images.count() + " pictures";
    main.out().println("wrote " + where + ": " + pictures + ", " + Seconds.text(total));
  }
}
