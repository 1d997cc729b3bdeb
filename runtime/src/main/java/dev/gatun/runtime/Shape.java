package dev.gatun.runtime;

import java.util.Arrays;

/**
 * The extents of a tensor, outermost first; rank 0 is a scalar.
 *
 * <p>Extents are not negative, and their product fits in a {@code long}: a shape that exists can be
 * computed with.
 */
public final class Shape {
  private final int[] dims;
  private final long size;

  private Shape(int[] dims) {
    long product = 1;
    boolean empty = false;
    for (int d : dims) {
      if (d < 0) {
        throw new IllegalArgumentException(
            "shape " + Arrays.toString(dims) + " has a negative extent");
      }
      empty |= d == 0;
      // An empty tensor must not hide that its other extents overflow.
      product = Math.multiplyExact(product, Math.max(d, 1));
    }
    this.dims = dims;
    this.size = empty ? 0 : product;
  }

  /**
   * A shape with the given extents.
   *
   * @throws IllegalArgumentException if one is negative
   * @throws ArithmeticException if their product does not fit in a {@code long}
   */
  public static Shape of(int... dims) {
    return new Shape(dims.clone());
  }

  /** Number of axes. */
  public int rank() {
    return dims.length;
  }

  /**
   * Extent of an axis; a negative axis counts from the end, so {@code dim(-1)} is the channel
   * extent.
   */
  public int dim(int axis) {
    return dims[axis < 0 ? axis + dims.length : axis];
  }

  /** Number of elements. */
  public long size() {
    return size;
  }

  /** Extent of the last axis: the channels; 1 for a scalar. */
  public int cols() {
    return dims.length == 0 ? 1 : dims[dims.length - 1];
  }

  /** Product of all extents but the last: how many rows of {@link #cols()} elements there are. */
  public long rows() {
    long rows = 1;
    for (int i = 0; i < dims.length - 1; i++) {
      rows *= dims[i];
    }
    return rows;
  }

  /** The extents, as a new array. */
  public int[] dims() {
    return dims.clone();
  }

  /** Whether this shape is {@code [a]}; with the overloads, a comparison that allocates nothing. */
  public boolean is(int a) {
    return dims.length == 1 && dims[0] == a;
  }

  /** Whether this shape is {@code [a, b]}. */
  public boolean is(int a, int b) {
    return dims.length == 2 && dims[0] == a && dims[1] == b;
  }

  /** Whether this shape is {@code [a, b, c]}. */
  public boolean is(int a, int b, int c) {
    return dims.length == 3 && dims[0] == a && dims[1] == b && dims[2] == c;
  }

  /** Whether this shape is {@code [a, b, c, d]}. */
  public boolean is(int a, int b, int c, int d) {
    return dims.length == 4 && dims[0] == a && dims[1] == b && dims[2] == c && dims[3] == d;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(dims);
  }

  /** For example {@code [2, 256, 1152]}. */
  @Override
  public String toString() {
    return Arrays.toString(dims);
  }
}
