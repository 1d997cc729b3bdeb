package dev.gatun.cli;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** The options that say what computes. */
final class ComputeOptions {
  private static final int MOST_THREADS = 1024;

  private static final String AUTO = "auto";

  /** Parameters of a model that takes its time: published ones have 30 million on, bundled 3. */
  private static final long LARGE = 10_000_000;

  private ComputeOptions() {}

  /** The weights that are to be computed with. */
  interface Weights {
    /** What they are stored for; only {@code --dtype auto} asks. */
    Precision stored() throws CheckpointException;
  }

  static void addTo(CommandSpec spec) {
    spec.addOption(
            Command.option("--device", "cpu|cuda", String.class, "Where to compute. Default: cpu."))
        .addOption(
            Command.option(
                "--dtype",
                "f32|bf16|i8|auto",
                String.class,
                "In what products are computed: bf16 is faster on AMX, AVX512-BF16 or a GPU, and"
                    + " becomes f32 where there is none; auto is bf16 there for weights of 16 bits, else f32;"
                    + " i8, on AMX, VNNI or AVX2, is still faster in linear layers and much coarser."
                    + " Default: f32."))
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

  /**
   * Opens the backend, which is the caller's to close.
   *
   * @throws CheckpointException if it depends on weights that cannot be read
   */
  static Backend open(ParseResult arguments, Weights weights) throws CheckpointException {
    Integer threads = arguments.matchedOptionValue("--threads", null);
    if (threads != null && (threads < 1 || threads > MOST_THREADS)) {
      throw CommandException.usage("--threads is " + threads + ", expected 1 to " + MOST_THREADS);
    }
    String backend = arguments.matchedOptionValue("--backend", null);
    var dtype = arguments.matchedOptionValue("--dtype", Precision.F32.toString());
    try {
      var device = Device.parse(arguments.matchedOptionValue("--device", "cpu"));
      var precision =
          dtype.equals(AUTO)
              ? suited(device, backend, weights.stored())
              : precision("--dtype", dtype, "f32, bf16, i8 or " + AUTO);
      return Backend.open(device, backend, precision, threads == null ? 0 : threads);
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    } catch (UnsupportedOperationException e) {
      throw CommandException.failure(e.getMessage());
    }
  }

  /** The precision that an option names. */
  static Precision precision(String option, String dtype, String expected) {
    return Stream.of(Precision.values())
        .filter(precision -> precision.toString().equals(dtype))
        .findFirst()
        .orElseThrow(
            () -> CommandException.usage(option + " is '" + dtype + "', expected " + expected));
  }

  /** What weights are stored for, where this machine computes in it. */
  private static Precision suited(Device device, String backend, Precision stored) {
    return Backend.unavailable(device, backend, stored).isEmpty() ? stored : Precision.F32;
  }

  /** Whether the user did not choose, and bf16 would be much faster than what computes. */
  static boolean lacksBf16(ParseResult arguments, Backend backend, NetworkConfig network) {
    return !arguments.hasMatchedOption("--dtype")
        && backend.precision() == Precision.F32
        && network.parameters() >= LARGE
        && Backend.unavailable(backend.device(), backend.name(), Precision.BF16).isEmpty();
  }
}
