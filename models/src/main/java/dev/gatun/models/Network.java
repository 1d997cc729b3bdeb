package dev.gatun.models;

import dev.gatun.runtime.Tensor;
import java.util.Map;

/** A network with its weights on a backend, ready to be evaluated. */
public interface Network extends AutoCloseable {
  /** What the network is. */
  NetworkConfig config();

  /**
   * One evaluation on tensors as the authors' code takes them: for holding a network against
   * another implementation.
   *
   * @param inputs host tensors by the authors' names ({@code x}, {@code t}, {@code y} …), feature
   *     maps {@code NCHW}
   * @return host tensors by name ({@code out} …), owned by the caller
   * @throws IllegalArgumentException if one is missing or has the wrong shape; the message names it
   */
  Map<String, Tensor> evaluate(Map<String, Tensor> inputs);

  /** An evaluation on made-up inputs of a batch, to be timed. */
  Trial trial(int batch);

  /** Frees the weights. */
  @Override
  void close();
}
