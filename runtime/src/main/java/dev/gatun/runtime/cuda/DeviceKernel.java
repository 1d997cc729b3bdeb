package dev.gatun.runtime.cuda;

import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/** The kernel of a convolution on a GPU: F32 {@code [out, height·width·in]}, channel fastest. */
final class DeviceKernel implements ConvKernel {
  private final int out;
  private final int in;
  private final int height;
  private final int width;
  private final Tensor rows;

  /**
   * @param rows on the device; owned from now on
   */
  DeviceKernel(int out, int in, int height, int width, Tensor rows) {
    this.out = out;
    this.in = in;
    this.height = height;
    this.width = width;
    this.rows = rows;
  }

  @Override
  public int out() {
    return out;
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

  /**
   * The numbers.
   *
   * @throws IllegalStateException if the kernel is closed
   */
  Tensor rows(String operator) {
    if (!rows.isAlive()) {
      throw new IllegalStateException(
          operator + ": kernel " + Shape.of(out, in, height, width) + " is closed");
    }
    return rows;
  }

  @Override
  public void close() {
    rows.close();
  }
}
