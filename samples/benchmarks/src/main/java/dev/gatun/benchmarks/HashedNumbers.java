package dev.gatun.benchmarks;

import dev.gatun.runtime.Tensor;

/**
 * Numbers that another program can make without a word from this one, bit for bit: a multiplicative
 * hash of a seed and an index. {@code peers/hashing.py} makes the same.
 */
final class HashedNumbers {
  private HashedNumbers() {}

  /**
   * Fills an F32 tensor.
   *
   * @param scale the extent of the numbers
   * @param middle the number that they spread around, half of the scale to each side
   */
  static void fill(Tensor tensor, int seed, float scale, float middle) {
    var segment = tensor.segment();
    int size = Math.toIntExact(tensor.shape().size());
    for (int i = 0; i < size; i++) {
      int hash = (i + seed) * 0x9E3779B1;
      float uniform = ((hash ^ hash >>> 15) * 0x85EBCA6B >>> 8) * 0x1p-24f - 0.5f;
      segment.set(Tensor.FLOAT, (long) i * Float.BYTES, uniform * scale + middle);
    }
  }

  /** The scale that gives numbers of this standard deviation. */
  static float scale(double deviation) {
    return (float) (deviation * Math.sqrt(12));
  }
}
