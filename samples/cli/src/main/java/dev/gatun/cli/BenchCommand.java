package dev.gatun.cli;

import dev.gatun.cli.ComputeOptions.Weights;
import dev.gatun.models.Network;
import dev.gatun.models.RandomParameters;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonNull;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.BundledModels;
import dev.gatun.models.pipeline.Families;
import dev.gatun.models.pipeline.Families.Member;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** Times the evaluation of a network. */
final class BenchCommand implements Command {
  private static final long WARM_UP_NANOS = 1_000_000_000;
  private static final int MOST_STEPS = 1_000_000;
  private static final int MOST_BATCH = 1 << 12;
  private static final double MIB = 1 << 20;
  private static final String PRECISIONS = "f32|bf16|i8";

  private final Main main;

  BenchCommand(Main main) {
    this.main = main;
  }

  /** A network and the name that it was asked for by. */
  private record Candidate(String name, Network network) {}

  /**
   * How long evaluations took, in seconds, what memory they had and grew by, in bytes, and what
   * they gave.
   */
  private record Timing(double first, double[] sorted, Long resident, Long growth, float[] out) {
    double min() {
      return sorted[0];
    }

    double max() {
      return sorted[sorted.length - 1];
    }

    double median() {
      int middle = sorted.length / 2;
      return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
  }

  @Override
  public CommandSpec spec() {
    var spec =
        Command.spec(
                "bench",
                "Time the evaluation of a network.",
                "The first evaluation is reported apart, and further ones within the first second,"
                    + " while the JVM still compiles, are not counted.")
            .addPositional(
                Command.parameter(
                    "MODEL",
                    false,
                    "A published size with random weights, such as DiT-XL/2, a checkpoint file, or"
                        + " a bundled model. Default: "
                        + ModelSource.DEFAULT
                        + "."))
            .addOption(
                Command.option(
                    "--batch",
                    "N",
                    Integer.class,
                    "How many samples are evaluated together. Default: 1."));
    ComputeOptions.addTo(spec);
    return spec.addOption(
            Command.option(
                "--compare",
                PRECISIONS,
                String.class,
                "Evaluate the network in this precision, too, and tell how far the result is from"
                    + " it. Default: not compared."))
        .addOption(
            Command.option(
                "--steps", "N", Integer.class, "How many evaluations are timed. Default: 10."))
        .addOption(Command.flag("--json", "Print a JSON object."));
  }

  @Override
  public void run(ParseResult arguments) throws IOException, InterruptedException {
    int batch = number(arguments, "--batch", 1, MOST_BATCH);
    int steps = number(arguments, "--steps", 10, MOST_STEPS);
    var model = arguments.matchedPositionalValue(0, ModelSource.DEFAULT);
    var size = size(model);
    // random weights are made in f32
    Weights weights = () -> size.isPresent() ? Precision.F32 : ModelSource.storedPrecision(model);
    var other = compared(arguments);
    var backend = ComputeOptions.open(arguments, weights);
    Timing timing;
    SequencedMap<String, Json> members;
    try (backend) {
      requireComparable(backend, other);
      var candidate = candidate(model, size, backend);
      try (var network = candidate.network) {
        timing = time(network, batch, steps, backend);
        members = members(candidate, batch, backend, timing);
      }
    }
    // Only now, since two networks may be more than the memory holds.
    var comparison =
        other == null ? null : compare(model, size, batch, steps, backend, other, timing);
    if (comparison != null) {
      members.put("compare", comparison.json());
    }
    if (arguments.hasMatchedOption("--json")) {
      main.print(members);
    } else {
      report(members, backend, timing, comparison);
    }
  }

  /** What to compare with; null for nothing. */
  private static Precision compared(ParseResult arguments) {
    String dtype = arguments.matchedOptionValue("--compare", null);
    return dtype == null ? null : ComputeOptions.precision("--compare", dtype, "f32, bf16 or i8");
  }

  private static void requireComparable(Backend backend, Precision other) {
    if (other == backend.precision()) {
      throw CommandException.usage(
          "--compare is " + other + ", which is what computes without it: give another --dtype");
    }
    if (other != null) {
      var reason = Backend.unavailable(backend.device(), backend.name(), other);
      if (!reason.isEmpty()) {
        throw CommandException.failure("--compare is " + other + ": " + reason);
      }
    }
  }

  /** Evaluates the same in another precision. */
  private static Comparison compare(
      String model,
      Optional<Member> size,
      int batch,
      int steps,
      Backend like,
      Precision precision,
      Timing timing)
      throws IOException, InterruptedException {
    try (var backend = Backend.open(like.device(), like.name(), precision, like.threads());
        var network = candidate(model, size, backend).network) {
      if (backend.precision() != precision) {
        throw CommandException.failure(
            "--compare is "
                + precision
                + ", but "
                + backend.precision()
                + " is what a property sets");
      }
      var other = time(network, batch, steps, backend);
      return Comparison.of(timing.out, precision, other.out, other.median());
    }
  }

  private static Candidate candidate(String model, Optional<Member> size, Backend backend)
      throws CheckpointException {
    return size.isPresent() ? random(model, size.get(), backend) : load(model, backend);
  }

  private static int number(ParseResult arguments, String option, int otherwise, int most) {
    int value = arguments.matchedOptionValue(option, otherwise);
    if (value < 1 || value > most) {
      throw CommandException.usage(option + " is " + value + ", expected 1 to " + most);
    }
    return value;
  }

  /** The published size that a word means, which has random weights; none for a checkpoint. */
  private static Optional<Member> size(String model) {
    if (ModelSource.isFile(model)) {
      return Optional.empty();
    }
    var size = Families.preset(model);
    if (size.isEmpty() && mayBeSize(model)) {
      throw CommandException.usage(
          model
              + " is neither a file, nor bundled, nor a published size: there are DiT-S, DiT-B, DiT-L"
              + " and DiT-XL, each with /2, /4 or /8, and with -512 after it for pictures of that"
              + " size; "
              + Families.all().stream()
                  .flatMap(family -> family.published().stream())
                  .filter(name -> !name.startsWith("DiT-"))
                  .collect(Collectors.joining(", "))
              + "; and bundled are "
              + String.join(", ", BundledModels.names()));
    }
    return size;
  }

  private static Candidate random(String model, Member size, Backend backend) {
    var config = size.config();
    int suffix = model.lastIndexOf('-');
    boolean pixels = config.model().equals("dit") && suffix > model.indexOf('/');
    var name = config.name() + (pixels ? model.substring(suffix) : "");
    return new Candidate(name, size.family().load(config, new RandomParameters(), backend));
  }

  private static Candidate load(String model, Backend backend) throws CheckpointException {
    try (var source = ModelSource.open(model)) {
      return new Candidate(
          source.name(), source.recognise(null, "").load(source.checkpoint(), backend));
    }
  }

  /**
   * Sizes are called like {@code DiT-XL/2} and {@code imagenet256_uvit_huge}. (The classifier of a
   * bundled model is called like the model.)
   */
  private static boolean mayBeSize(String model) {
    return model.matches("(?i)(dit|diffit|u-?vit|adm)-?[a-z0-9]*/.*")
        || (ModelSource.isBundled(model)
            && BundledModels.names().stream().noneMatch(name -> model.startsWith(name)));
  }

  private static Timing time(Network network, int batch, int steps, Backend backend)
      throws InterruptedException {
    try (var trial = network.trial(batch);
        var replay = backend.replay(trial::run)) {
      Runnable evaluation =
          () -> {
            replay.run();
            backend.synchronize();
          };
      long start = System.nanoTime();
      evaluation.run();
      double first = (System.nanoTime() - start) / 1e9;
      Long before = ResidentMemory.bytes();
      while (System.nanoTime() - start < WARM_UP_NANOS) {
        step(evaluation);
      }
      double[] seconds = new double[steps];
      for (int i = 0; i < steps; i++) {
        long begin = System.nanoTime();
        step(evaluation);
        seconds[i] = (System.nanoTime() - begin) / 1e9;
      }
      Long after = ResidentMemory.bytes();
      Arrays.sort(seconds);
      // the intermediates are still there
      var growth = before == null || after == null ? null : Long.valueOf(after - before);
      return new Timing(first, seconds, after, growth, floats(trial.out(), backend));
    }
  }

  private static float[] floats(Tensor device, Backend backend) {
    try (var host = Tensor.allocate(DType.F32, device.shape())) {
      backend.copy(device, host);
      return host.toFloats();
    }
  }

  private static void step(Runnable evaluation) throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    evaluation.run();
  }

  private static SequencedMap<String, Json> members(
      Candidate candidate, int batch, Backend backend, Timing timing) {
    double median = timing.median();
    double gflops = 2.0 * candidate.network.config().multiplyAdds(batch) / median / 1e9;
    var members = new LinkedHashMap<String, Json>();
    members.put("model", new JsonString(candidate.name));
    members.put("device", new JsonString(backend.device().toString()));
    members.put("backend", new JsonString(backend.name()));
    members.put("dtype", new JsonString(backend.precision().toString()));
    members.put("threads", JsonNumber.of(backend.threads()));
    members.put("batch", JsonNumber.of(batch));
    members.put("steps", JsonNumber.of(timing.sorted.length));
    members.put("median_s", Seconds.json(median));
    members.put("min_s", Seconds.json(timing.min()));
    members.put("max_s", Seconds.json(timing.max()));
    members.put("first_step_s", Seconds.json(timing.first));
    members.put("gflops", JsonNumber.of(Math.round(gflops * 100) / 100.0));
    members.put("rss_mib", mebibytes(timing.resident));
    members.put("rss_growth_mib", mebibytes(timing.growth));
    return members;
  }

  private void report(
      SequencedMap<String, Json> members, Backend backend, Timing timing, Comparison comparison) {
    var name = ((JsonString) members.get("model")).value();
    var dtype = ((JsonString) members.get("dtype")).value();
    main.say(name + ", batch " + members.get("batch") + ", " + dtype + ", on " + backend.name());
    main.say("  with        " + backend.description());
    main.say(
        "  median      "
            + Seconds.text(timing.median())
            + " of "
            + members.get("steps")
            + ", from "
            + Seconds.text(timing.min())
            + " to "
            + Seconds.text(timing.max()));
    main.say("  first       " + Seconds.text(timing.first));
    main.say("  speed       " + members.get("gflops") + " Gflop/s");
    if (members.get("rss_mib") != JsonNull.NULL) {
      main.say(
          "  memory      "
              + members.get("rss_mib")
              + " MiB, grown by "
              + members.get("rss_growth_mib")
              + " MiB since the first");
    }
    if (comparison != null) {
      main.say("  against " + String.format("%-4s", comparison.precision()) + comparison.text());
    }
  }

  private static Json mebibytes(Long bytes) {
    return bytes == null ? JsonNull.NULL : JsonNumber.of(Math.round(bytes / MIB * 10) / 10.0);
  }
}
