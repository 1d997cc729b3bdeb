package dev.gatun.benchmarks;

import dev.gatun.models.Parameters;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.function.Function;

/**
 * Made-up weights that follow from their keys and shapes alone, so that {@code peers/hashing.py}
 * gives the same ones to the same network elsewhere. They keep activations near 1, and every tensor
 * matters to the result: one that is forgotten or confused shows.
 */
record HashedParameters() implements Parameters {
  /** Of biases, and of gains around 1. */
  private static final double SMALL = 0.1;

  @Override
  public boolean has(String key) {
    return true;
  }

  @Override
  public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
    try (var tensor = Tensor.allocate(DType.F32, expected)) {
      boolean gain = expected.rank() == 1 && key.endsWith(".weight");
      float scale = HashedNumbers.scale(deviation(key, expected));
      HashedNumbers.fill(tensor, key.hashCode(), scale, gain ? 1 : 0);
      return use.apply(tensor);
    }
  }

  private static double deviation(String key, Shape shape) {
    if (shape.rank() == 1) {
      return SMALL;
    }
    if (isTable(key)) {
      return 1;
    }
    return 1 / Math.sqrt((double) shape.size() / shape.dim(0)); // fan-in
  }

  /** Whether rows of it are added to activations as they are. */
  private static boolean isTable(String key) {
    return key.equals("pos_embed")
        || key.endsWith("embedding_table.weight")
        || key.equals("label_emb.weight");
  }
}
