package dev.gatun.runtime.reference;

import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * The kernel of a convolution as rows that a window of the map is multiplied by: F32 {@code [out,
 * height·width·in]}, channel fastest.
 */
final class ReferenceKernel implements ConvKernel {
  private final int in;
  private final int height;
  private final int width;
  private final Tensor rows;

  /** From {@code [out, in, height, width]}. */
  ReferenceKernel(Tensor kernel) {
    in = kernel.dim(1);
    height = kernel.dim(2);
    width = kernel.dim(3);
    rows = HostMovement.windowRows(kernel);
  }

  /** The rows, for an operator that names itself in the error. */
  Tensor rows(String operator) {
    if (!rows.isAlive()) {
      throw new IllegalStateException(
          operator + ": kernel " + Shape.of(rows.dim(0), in, height, width) + " is closed");
    }
    return rows;
  }

  @Override
  public int out() {
    return rows.dim(0);
  }

  @Override
  public int in() {
    return in;
  }

  @Override
  public int height() {
    return height;
  }

  @Override
  public int width() {
    return width;
  }

  @Override
  public void close() {
    rows.close();
  }
}
