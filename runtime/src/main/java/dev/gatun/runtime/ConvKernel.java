package dev.gatun.runtime;

/**
 * The kernel of a convolution in the form that a backend multiplies by, made once by {@link
 * Backend#packKernel}. It does not refer to the tensor that it was made from.
 */
public interface ConvKernel extends AutoCloseable {
  /** Channels of the result. */
  int out();

  /** Channels of the operand. */
  int in();

  /** Rows of the window that a result is computed from. */
  int height();

  /** Columns of that window. */
  int width();

  /** Frees the memory; a later use throws {@link IllegalStateException}. */
  @Override
  void close();
}
