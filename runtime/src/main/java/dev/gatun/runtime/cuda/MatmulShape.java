package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Activation;

/**
 * What the choice of an algorithm for a product depends on.
 *
 * @param rows of X and D
 * @param n columns of D
 * @param k columns of X
 * @param transposed whether the weight is {@code [n, k]}; else {@code [k, n]}
 * @param xStride elements from a row of X to the next
 * @param cStride that of C, or 0 without one
 * @param dStride that of D
 * @param biased whether there is a bias
 * @param activation behind the bias
 * @param xAlignment bytes that the address of X is a multiple of, at most 16
 * @param cAlignment that of C
 * @param dAlignment that of D
 */
record MatmulShape(
    long rows,
    int n,
    int k,
    boolean transposed,
    int xStride,
    int cStride,
    int dStride,
    boolean biased,
    Activation activation,
    int xAlignment,
    int cAlignment,
    int dAlignment) {
  /** The largest vector that a kernel loads. */
  static final int MOST_ALIGNMENT = 16;

  /** What addresses are multiples of, given all their bits: a power of two, at most 16. */
  static int alignment(long addresses) {
    return (int) Long.lowestOneBit(addresses | MOST_ALIGNMENT);
  }

  @Override
  public String toString() {
    return rows + "x" + k + " by " + k + "x" + n;
  }
}
