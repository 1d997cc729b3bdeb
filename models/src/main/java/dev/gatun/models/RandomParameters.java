package dev.gatun.models;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.function.Function;

/**
 * Made-up weights of a plausible size, for timing a network whose checkpoint is not at hand:
 * uniform, with the standard deviation {@code fan_in^-½} that keeps activations near 1. The same
 * key gives the same tensor.
 */
public record RandomParameters() implements Parameters {
  @Override
  public boolean has(String key) {
    return true;
  }

  @Override
  public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
    try (var tensor = Tensor.allocate(DType.F32, expected)) {
      long fan = expected.rank() < 2 ? 1 : expected.size() / expected.dim(0);
      float scale = (float) (Math.sqrt(3.0 / fan) * (expected.rank() < 2 ? 0.02 : 1));
      long state = key.hashCode() * 0x9E3779B97F4A7C15L | 1;
      var segment = tensor.segment();
      for (long i = 0; i < expected.size(); i++) {
        // xorshift64: a weight needs no better generator
        state ^= state << 13;
        state ^= state >>> 7;
        state ^= state << 17;
        segment.set(Tensor.FLOAT, i * Float.BYTES, (state >> 40) * 0x1p-23f * scale);
      }
      return use.apply(tensor);
    }
  }
}
