package dev.gatun.models;

/** An evaluation of a network on made-up inputs that can be repeated: for timing it. */
public interface Trial extends AutoCloseable {
  /** Evaluates the network once. */
  void run();

  /** Frees the inputs and intermediates. */
  @Override
  void close();
}
