package dev.gatun.runtime.reference;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;

/** The matrix of a linear layer as it is: F32 {@code [out, in]}, row-major. */
final class ReferenceWeight implements Weight {
  private final Tensor matrix;

  ReferenceWeight(Tensor from) {
    matrix = Tensor.allocate(DType.F32, Shape.of(from.dim(0), from.dim(1)));
    HostMovement.copy(from, matrix);
  }

  /** The matrix, for an operator that names itself in the error. */
  Tensor matrix(String operator) {
    if (!matrix.isAlive()) {
      throw new IllegalStateException(operator + ": weight " + matrix.shape() + " is closed");
    }
    return matrix;
  }

  @Override
  public int out() {
    return matrix.dim(0);
  }

  @Override
  public int in() {
    return matrix.dim(1);
  }

  @Override
  public void close() {
    matrix.close();
  }
}
