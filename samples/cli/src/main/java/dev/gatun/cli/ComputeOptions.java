package dev.gatun.cli;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** The options that say what computes. */
final class ComputeOptions {
  private static final int MOST_THREADS = 1024;

  private ComputeOptions() {}

  static void addTo(CommandSpec spec) {
    spec.addOption(
            Command.option("--device", "cpu|cuda", String.class, "Where to compute. Default: cpu."))
        .addOption(
            Command.option(
                "--dtype",
                "f32|bf16",
                String.class,
                "In what products are computed: bf16 is faster on AMX or a GPU. Default: f32."))
        .addOption(
            Command.option(
                "--backend",
                "cpu|reference",
                String.class,
                "What computes there. Default: the fastest that works."))
        .addOption(
            Command.option(
                "--threads",
                "N",
                Integer.class,
                "How many threads compute. Default: one for each processor."));
  }

  private static Precision precision(ParseResult arguments) {
    var dtype = arguments.matchedOptionValue("--dtype", "f32");
    return Stream.of(Precision.values())
        .filter(precision -> precision.toString().equals(dtype))
        .findFirst()
        .orElseThrow(
            () -> CommandException.usage("--dtype is '" + dtype + "', expected f32 or bf16"));
  }

  /** Opens the backend, which is the caller's to close. */
  static Backend open(ParseResult arguments) {
    Integer threads = arguments.matchedOptionValue("--threads", null);
    if (threads != null && (threads < 1 || threads > MOST_THREADS)) {
      throw CommandException.usage("--threads is " + threads + ", expected 1 to " + MOST_THREADS);
    }
    var device = arguments.matchedOptionValue("--device", "cpu");
    String backend = arguments.matchedOptionValue("--backend", null);
    var precision = precision(arguments);
    try {
      var parsed = Device.parse(device);
      return Backend.open(parsed, backend, precision, threads == null ? 0 : threads);
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    } catch (UnsupportedOperationException e) {
      throw CommandException.failure(e.getMessage());
    }
  }
}
