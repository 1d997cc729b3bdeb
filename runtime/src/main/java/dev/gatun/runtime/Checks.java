package dev.gatun.runtime;

/**
 * The argument checks that every backend makes before it computes, in one place so that all of them
 * say the same. They allocate nothing unless they fail.
 */
public final class Checks {
  private Checks() {}

  /** Requires a live tensor on a device, of a type. */
  public static void operand(
      String operator, String operand, Tensor tensor, Device device, DType dtype) {
    if (tensor == null) {
      throw new IllegalArgumentException(operator + ": " + operand + " is missing");
    }
    if (!tensor.isAlive()) {
      throw new IllegalStateException(operator + ": " + operand + " (" + tensor + ") is closed");
    }
    if (!tensor.device().equals(device)) {
      throw new IllegalArgumentException(
          operator + ": " + operand + " is on " + tensor.device() + ", expected on " + device);
    }
    if (tensor.dtype() != dtype) {
      throw new IllegalArgumentException(
          operator + ": " + operand + " is " + tensor.dtype() + ", expected " + dtype);
    }
  }

  /** Requires a tensor that is {@code [rows, cols]} when its leading axes are seen as one. */
  public static void matrix(String operator, String operand, Tensor tensor, long rows, long cols) {
    if (tensor.shape().rows() != rows || tensor.shape().cols() != cols) {
      throw shape(operator, operand, tensor, "[" + rows + ", " + cols + "]");
    }
  }

  /** Requires equal shapes. */
  public static void same(String operator, String operand, Tensor tensor, Shape expected) {
    if (!tensor.shape().equals(expected)) {
      throw shape(operator, operand, tensor, expected.toString());
    }
  }

  /** Requires a rank. */
  public static void rank(String operator, String operand, Tensor tensor, int rank) {
    if (tensor.shape().rank() != rank) {
      throw shape(operator, operand, tensor, rank + " axes");
    }
  }

  /**
   * Requires a tensor {@code [R, cols]} whose rows divide {@code rows}: one that is broadcast over
   * groups of rows.
   */
  public static void divides(String operator, String operand, Tensor tensor, long rows, long cols) {
    long own = tensor.shape().rows();
    if (tensor.shape().cols() != cols || (own == 0 ? rows != 0 : rows % own != 0)) {
      throw shape(operator, operand, tensor, "[a divisor of " + rows + ", " + cols + "]");
    }
  }

  /** Requires a vector: a tensor of exactly one axis. */
  public static void vector(String operator, String operand, Tensor tensor, int extent) {
    if (!tensor.shape().is(extent)) {
      throw shape(operator, operand, tensor, "[" + extent + "]");
    }
  }

  /** Requires that no byte of {@code out} is one of an operand. */
  public static void disjoint(String operator, Tensor out, String operand, Tensor tensor) {
    disjoint(operator, "out", out, operand, tensor);
  }

  /** Requires that no byte of a result is one of an operand. */
  public static void disjoint(
      String operator, String result, Tensor out, String operand, Tensor tensor) {
    if (overlap(out, tensor)) {
      throw overlapping(operator, result, out, "", operand, tensor, "");
    }
  }

  /** Requires that {@code out} is the very memory of an operand, or none of it. */
  public static void disjointOrSame(String operator, Tensor out, String operand, Tensor tensor) {
    disjointOrSame(operator, "out", out, operand, tensor);
  }

  /** Requires that a result is the very memory of an operand, or none of it. */
  public static void disjointOrSame(
      String operator, String result, Tensor out, String operand, Tensor tensor) {
    if (!coincide(out, tensor) && overlap(out, tensor)) {
      throw overlapping(
          operator, result, out, "a part of ", operand, tensor, "the very same tensor or ");
    }
  }

  private static IllegalArgumentException overlapping(
      String operator,
      String result,
      Tensor out,
      String part,
      String operand,
      Tensor tensor,
      String same) {
    return new IllegalArgumentException(
        "%s: %s (%s) overlaps %s%s (%s) in memory, expected %smemory of its own"
            .formatted(operator, result, out, part, operand, tensor, same));
  }

  /** Requires a weight of the backend's own making. */
  public static <W extends Weight> W packed(
      String operator, Weight weight, Class<W> own, String backend) {
    return packed(operator, "weight", weight, own, backend);
  }

  /** Requires a kernel of the backend's own making. */
  public static <K extends ConvKernel> K packed(
      String operator, ConvKernel kernel, Class<K> own, String backend) {
    return packed(operator, "kernel", kernel, own, backend);
  }

  private static <P> P packed(
      String operator, String operand, Object packed, Class<P> own, String backend) {
    if (!own.isInstance(packed)) {
      throw new IllegalArgumentException(
          operator
              + ": "
              + operand
              + " is a "
              + (packed == null ? "null" : packed.getClass().getSimpleName())
              + ", expected one packed by the "
              + backend
              + " backend");
    }
    return own.cast(packed);
  }

  /** Whether two tensors have every element in the same place. */
  static boolean coincide(Tensor a, Tensor b) {
    return a == b
        || a.address() == b.address()
            && a.dtype() == b.dtype()
            && a.shape().cols() == b.shape().cols()
            && a.shape().rows() == b.shape().rows()
            && (a.rowStride() == b.rowStride() || a.shape().rows() == 1);
  }

  /**
   * Whether two tensors share a byte. Exact for views on columns of one tensor, which interleave
   * without touching; where the strides differ, whether the ranges from first to last byte meet.
   */
  static boolean overlap(Tensor a, Tensor b) {
    if (a.shape().size() == 0 || b.shape().size() == 0 || !a.device().equals(b.device())) {
      return false;
    }
    long distance = b.address() - a.address();
    if (distance >= a.span() || -distance >= b.span()) {
      return false;
    }
    long aWidth = (long) a.shape().cols() * a.dtype().bytes();
    long bWidth = (long) b.shape().cols() * b.dtype().bytes();
    long aRows = a.shape().rows();
    long bRows = b.shape().rows();
    long aStride = (long) a.rowStride() * a.dtype().bytes();
    long bStride = (long) b.rowStride() * b.dtype().bytes();
    // The stride of a single row means nothing: it may as well be the other's.
    long stride = aRows == 1 ? bStride : aStride;
    if (bRows != 1 && bStride != stride || aWidth > stride || bWidth > stride) {
      return true;
    }
    // Row j of b begins `right` bytes right of row j + down of a, so it can touch that row and the
    // one after.
    long down = Math.floorDiv(distance, stride);
    long right = Math.floorMod(distance, stride);
    return right < aWidth && -bRows < down && down < aRows
        || stride - right < bWidth && -bRows < down + 1 && down + 1 < aRows;
  }

  /** The exception for a shape that does not fit. */
  public static IllegalArgumentException shape(
      String operator, String operand, Tensor found, String expected) {
    return new IllegalArgumentException(
        operator + ": " + operand + " is " + found.shape() + ", expected " + expected);
  }
}
