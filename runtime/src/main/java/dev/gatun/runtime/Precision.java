package dev.gatun.runtime;

import java.util.Locale;

/**
 * How products of matrices are computed. Tensors are {@link DType#F32}, but for those of {@link
 * Backend#factorType}, and sums are f32 or wider in any case; how weights are stored in a file is
 * another matter, see {@link DType}.
 */
public enum Precision {
  /** Factors are taken as they are. */
  F32,

  /**
   * Factors are rounded to bf16, which keeps 8 of their 24 bits: several times as fast where the
   * hardware multiplies such numbers. Which operators do it, {@link Backend#description} says.
   */
  BF16,

  /**
   * Factors of linear layers become bytes, 255 steps of a scale that is found for each row of
   * activations and for each output feature of a weight, and their sums are exact; other products,
   * and layers of fewer than 64 inputs or outputs, are as in {@link #BF16} where that is there,
   * else as in {@link #F32}. Faster still, and much coarser.
   */
  I8;

  /** The name in lower case, as the command line has it. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
