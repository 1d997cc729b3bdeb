package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;

/** The matrix of a linear layer on a GPU: F32 {@code [out, in]}. */
final class DeviceWeight implements Weight {
  private final Tensor matrix;

  /**
   * @param matrix on the device; owned from now on
   */
  DeviceWeight(Tensor matrix) {
    this.matrix = matrix;
  }

  @Override
  public int out() {
    return matrix.dim(0);
  }

  @Override
  public int in() {
    return matrix.dim(1);
  }

  /**
   * The numbers.
   *
   * @throws IllegalStateException if the weight is closed
   */
  Tensor matrix(String operator) {
    if (!matrix.isAlive()) {
      throw new IllegalStateException(operator + ": weight " + matrix.shape() + " is closed");
    }
    return matrix;
  }

  @Override
  public void close() {
    matrix.close();
  }
}
