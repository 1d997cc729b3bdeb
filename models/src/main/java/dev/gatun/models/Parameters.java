package dev.gatun.models;

import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.function.Function;

/**
 * Where the tensors of a state dict come from: a file, another layout of it, or a random generator.
 */
public interface Parameters {
  /** Whether there is a tensor of that key. */
  boolean has(String key);

  /**
   * Hands a tensor to a function, which must not keep it.
   *
   * @param key the key in the authors' code
   * @param expected the shape that the network's description demands
   * @return what the function returned
   * @throws ParameterException if the tensor is missing or has another shape; the message names key
   *     and shapes
   */
  <R> R read(String key, Shape expected, Function<Tensor, R> use);
}
