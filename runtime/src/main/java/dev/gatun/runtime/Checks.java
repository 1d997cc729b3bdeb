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

  /** The exception for a shape that does not fit. */
  public static IllegalArgumentException shape(
      String operator, String operand, Tensor found, String expected) {
    return new IllegalArgumentException(
        operator + ": " + operand + " is " + found.shape() + ", expected " + expected);
  }
}
