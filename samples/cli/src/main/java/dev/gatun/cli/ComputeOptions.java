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
                "--dtype",
                "f32|bf16",
                String.class,
                "How linear layers compute. Default: f32; bf16 needs AMX or a GPU."))
        .addOption(
            Command.option(
                "--backend",
                "cpu|reference|bf16",
                String.class,
                "What computes there. Default: the fastest that works."))
        .addOption(
            Command.option(
                "--threads",
                "N",
                Integer.class,
                "How many threads compute. Default: one for each processor."));
  }

  /** How linear layers compute. */
  static String dtype(ParseResult arguments) {
    var dtype = arguments.matchedOptionValue("--dtype", "f32");
    if (!dtype.equals("f32") && !dtype.equals("bf16")) {
      throw CommandException.usage("--dtype is '" + dtype + "', expected f32 or bf16");
    }
    return dtype;
  }

  /** Opens the backend, which is the caller's to close. */
  static Backend open(ParseResult arguments) {
    Integer threads = arguments.matchedOptionValue("--threads", null);
    if (threads != null && (threads < 1 || threads > MOST_THREADS)) {
      throw CommandException.usage("--threads is " + threads + ", expected 1 to " + MOST_THREADS);
    }
    var device = arguments.matchedOptionValue("--device", "cpu");
    String backend = arguments.matchedOptionValue("--backend", null);
    var dtype = dtype(arguments);
    try {
      var parsed = Device.parse(device);
      if (dtype.equals("bf16") && parsed.kind() == Device.Kind.CPU) {
        if (backend != null && !backend.equals(dtype)) {
          throw CommandException.usage(
              "--dtype bf16 does not go with --backend " + backend + ": leave one of them out");
        }
        backend = dtype;
      } else if (dtype.equals("bf16")) {
        System.setProperty("gatun.cuda.math", dtype);
      }
      return Backend.open(parsed, backend, threads == null ? 0 : threads);
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    } catch (UnsupportedOperationException e) {
      throw CommandException.failure(e.getMessage());
    }
  }
}
