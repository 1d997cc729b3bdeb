package dev.gatun.models.diffusion;

import dev.gatun.runtime.random.RandomSource;
import dev.gatun.runtime.random.TorchRandom;

/** {@link Noise#torchDouble}: numbers drawn in f64. */
final class DoubleSource implements RandomSource {
  private final TorchRandom random;
  private double[] drawn = {};

  DoubleSource(TorchRandom random) {
    this.random = random;
  }

  @Override
  public void normal(float[] out, int from, int count) {
    if (drawn.length < count) {
      drawn = new double[count];
    }
    random.normal(drawn, 0, count);
    for (int i = 0; i < count; i++) {
      out[from + i] = (float) drawn[i];
    }
  }
}
