package dev.gatun.cli;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
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

  /** Opens the backend, which is the caller's to close. */
  static Backend open(ParseResult arguments) {
    Integer threads = arguments.matchedOptionValue("--threads", null);
    if (threads != null && (threads < 1 || threads > MOST_THREADS)) {
      throw CommandException.usage("--threads is " + threads + ", expected 1 to " + MOST_THREADS);
    }
    var device = arguments.matchedOptionValue("--device", "cpu");
    String backend = arguments.matchedOptionValue("--backend", null);
    try {
      var parsed = Device.parse(device);
      return Backend.open(parsed, backend, threads == null ? 0 : threads);
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    } catch (UnsupportedOperationException e) {
      throw CommandException.failure(e.getMessage());
    }
  }
}
