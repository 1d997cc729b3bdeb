package dev.gatun.models;

import dev.gatun.runtime.Tensor;

/**
 * An evaluation of a network on made-up inputs that can be repeated: for timing it, and for
 * comparing what it gives on several backends, since the inputs are always the same.
 */
public interface Trial extends AutoCloseable {
  /** Evaluates the network once. */
  void run();

  /** Where {@link #run} leaves its result, on the device; it goes with the trial. */
  Tensor out();

  /** Frees the inputs and intermediates. */
  @Override
  void close();
}
