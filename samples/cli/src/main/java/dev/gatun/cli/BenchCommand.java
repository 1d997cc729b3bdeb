package dev.gatun.cli;

import dev.gatun.models.Network;
import dev.gatun.models.RandomParameters;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.dit.DiT;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonNull;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.runtime.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Times the evaluation of a network. */
@CommandLine.Command(
    name = "bench",
    description = {
      "Time the evaluation of a network.",
      "The first evaluation is reported apart, and further ones within the first second,"
          + " while the JVM still compiles, are not counted."
    },
    sortOptions = false)
final class BenchCommand implements Command {
  private static final long WARM_UP_NANOS = 1_000_000_000;
  private static final int MOST_STEPS = 1_000_000;
  private static final int MOST_BATCH = 1 << 12;
  private static final double MIB = 1 << 20;

  private final Main main;

  @Parameters(
      index = "0",
      arity = "0..1",
      paramLabel = "MODEL",
      description =
          "A published size with random weights, such as DiT-XL/2, a checkpoint file, or a bundled"
              + " model. Default: "
              + ModelSource.DEFAULT
              + ".")
  private String model = ModelSource.DEFAULT;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "How many samples are evaluated together. Default: 1.")
  private int batch = 1;

  @Mixin private ComputeOptions compute = new ComputeOptions();

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "How many evaluations are timed. Default: 10.")
  private int steps = 10;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  BenchCommand(Main main) {
    this.main = main;
  }

  /** A network and the name that it was asked for by. */
  private record Candidate(String name, Network network) {}

  /** How long evaluations took, in seconds, and what memory they grew by, in bytes. */
  private record Timing(double first, double[] sorted, Long growth) {
    double median() {
      int middle = sorted.length / 2;
      return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
  }

  @Override
  public void run() throws IOException, InterruptedException {
    within("--batch", batch, MOST_BATCH);
    within("--steps", steps, MOST_STEPS);
    try (var backend = compute.open()) {
      var candidate = load(backend);
      try (var network = candidate.network) {
        report(candidate.name, network, backend, time(network));
      }
    }
  }

  private static void within(String option, int value, int most) {
    if (value < 1 || value > most) {
      throw CommandException.usage(option + " is " + value + ", expected 1 to " + most);
    }
  }

  private Candidate load(Backend backend) throws CheckpointException {
    var preset = DiTConfig.preset(model);
    if (preset.isPresent()) {
      var config = preset.get();
      int suffix = model.lastIndexOf('-');
      var size = suffix > model.indexOf('/') ? model.substring(suffix) : "";
      return new Candidate(config.name() + size, new DiT(config, new RandomParameters(), backend));
    }
    if (model.toLowerCase(Locale.ROOT).startsWith("dit-")
        && model.contains("/")
        && !Files.exists(Path.of(model))) {
      throw CommandException.usage(
          model
              + " is no published size: there are DiT-S, DiT-B, DiT-L and DiT-XL, each with /2,"
              + " /4 or /8, and with -512 after it for pictures of that size");
    }
    try (var source = ModelSource.open(model)) {
      return new Candidate(
          source.name(), source.recognise(null).load(source.checkpoint(), backend));
    }
  }

  private Timing time(Network network) throws InterruptedException {
    try (var trial = network.trial(batch)) {
      long start = System.nanoTime();
      trial.run();
      double first = (System.nanoTime() - start) / 1e9;
      Long before = ResidentMemory.bytes();
      while (System.nanoTime() - start < WARM_UP_NANOS) {
        step(trial::run);
      }
      double[] seconds = new double[steps];
      for (int i = 0; i < steps; i++) {
        long begin = System.nanoTime();
        step(trial::run);
        seconds[i] = (System.nanoTime() - begin) / 1e9;
      }
      Long after = ResidentMemory.bytes();
      Arrays.sort(seconds);
      return new Timing(first, seconds, before == null || after == null ? null : after - before);
    }
  }

  private static void step(Runnable evaluation) throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    evaluation.run();
  }

  private void report(String name, Network network, Backend backend, Timing timing) {
    double median = timing.median();
    double gflops = 2.0 * network.config().multiplyAdds(batch) / median / 1e9;
    var members = new LinkedHashMap<String, Json>();
    members.put("model", new JsonString(name));
    members.put("device", new JsonString(backend.device().toString()));
    members.put("backend", new JsonString(backend.name()));
    members.put("dtype", new JsonString("f32"));
    members.put("threads", JsonNumber.of(backend.threads()));
    members.put("batch", JsonNumber.of(batch));
    members.put("steps", JsonNumber.of(steps));
    members.put("median_s", Seconds.json(median));
    members.put("min_s", Seconds.json(timing.sorted[0]));
    members.put("max_s", Seconds.json(timing.sorted[steps - 1]));
    members.put("first_step_s", Seconds.json(timing.first));
    members.put("gflops", JsonNumber.of(Math.round(gflops * 100) / 100.0));
    members.put("rss_mib", mebibytes(ResidentMemory.bytes()));
    members.put("rss_growth_mib", mebibytes(timing.growth));
    if (json) {
      main.print(members);
      return;
    }
    var out = main.out();
    out.println(name + ", batch " + batch + ", f32, on " + backend.name());
    out.println("  " + backend.description());
    out.println(
        "  median      "
            + Seconds.text(median)
            + " of "
            + steps
            + ", "
            + Seconds.text(timing.sorted[0])
            + " to "
            + Seconds.text(timing.sorted[steps - 1]));
    out.println("  first       " + Seconds.text(timing.first));
    out.println("  speed       " + members.get("gflops") + " Gflop/s");
    if (members.get("rss_mib") != JsonNull.NULL) {
      out.println(
          "  memory      "
              + members.get("rss_mib")
              + " MiB, grown by "
              + members.get("rss_growth_mib")
              + " MiB since the first");
    }
  }

  private static Json mebibytes(Long bytes) {
    return bytes == null ? JsonNull.NULL : JsonNumber.of(Math.round(bytes / MIB * 10) / 10.0);
  }
}
