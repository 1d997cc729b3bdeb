package dev.gatun.runtime.random;

/**
 * Where normally distributed numbers come from.
 *
 * <p>One call is one tensor of {@code torch.randn}: the numbers of a call may depend on how many it
 * asks for, so two calls of 8 are not one call of 16.
 */
public interface RandomSource {
  /**
   * Fills {@code out[from … from + count - 1]} with numbers of mean 0 and variance 1.
   *
   * @throws IndexOutOfBoundsException if the range is not within the array
   */
  void normal(float[] out, int from, int count);
}
