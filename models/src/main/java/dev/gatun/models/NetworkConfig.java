package dev.gatun.models;

import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/** The constructor arguments of a network, as its authors name them. */
public interface NetworkConfig {
  /** The network's name in descriptions, such as {@code dit}. */
  String model();

  /**
   * The published name of this size, such as {@code DiT-XL/2}, or a description of a size that has
   * none.
   */
  String name();

  /** Every tensor of the state dict by its key in the authors' code, with its shape. */
  SequencedMap<String, Shape> stateDict();

  /** The number of parameters, stored position embeddings included. */
  default long parameters() {
    return stateDict().values().stream().mapToLong(Shape::size).sum();
  }

  /**
   * Multiply-adds of one evaluation, attention included.
   *
   * @param batch how many samples are evaluated together
   */
  long multiplyAdds(int batch);
}
