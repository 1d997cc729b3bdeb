package dev.gatun.runtime;

/**
 * The matrix of a linear layer in the form that a backend multiplies by, made once by {@link
 * Backend#pack}. It does not refer to the tensor that it was made from.
 */
public interface Weight extends AutoCloseable {
  /** Number of output features: the rows of the matrix. */
  int out();

  /** Number of input features: the columns of the matrix. */
  int in();

  /** Frees the memory; a later use throws {@link IllegalStateException}. */
  @Override
  void close();
}
