package dev.gatun.cli;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import picocli.CommandLine.Option;

/** The options that say what computes. */
final class ComputeOptions {
  private static final int MOST_THREADS = 1024;

  @Option(
      names = "--device",
      paramLabel = "cpu|cuda",
      description = "Where to compute. Default: cpu.")
  private String device = "cpu";

  @Option(
      names = "--backend",
      paramLabel = "cpu|reference",
      description = "What computes there. Default: the fastest that works.")
  private String backend;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "How many threads compute. Default: one for each processor.")
  private Integer threads;

  /** Opens the backend, which is the caller's to close. */
  Backend open() {
    if (threads != null && (threads < 1 || threads > MOST_THREADS)) {
      throw CommandException.usage("--threads is " + threads + ", expected 1 to " + MOST_THREADS);
    }
    try {
      var parsed = Device.parse(device);
      if (parsed.kind() == Device.Kind.CUDA) {
        throw CommandException.failure(
            "--device " + device + ": this version computes on the CPU only; leave it out");
      }
      return Backend.open(parsed, backend, threads == null ? 0 : threads);
    } catch (IllegalArgumentException e) {
      throw CommandException.usage(e.getMessage());
    } catch (UnsupportedOperationException e) {
      throw CommandException.failure(e.getMessage());
    }
  }
}
