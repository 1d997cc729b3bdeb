package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * The kernel of a convolution in bf16, as the weight of a linear layer on windows, {@code [out,
 * height·width·in]} with the channel fastest.
 */
final class BrainKernel implements PanelKernel {
  private final int in;
  private final int height;
  private final int width;
  private final BrainWeight weight;
  private final PanelPacker packer;

  /** Made when a gradient is first asked for. */
  private BrainWeight transposed;

  /** From {@code [out, in, height, width]}. */
  BrainKernel(Tensor kernel, PanelPacker packer) {
    this.packer = packer;
    in = kernel.dim(1);
    height = kernel.dim(2);
    width = kernel.dim(3);
    try (var rows = packer.windowRows(kernel)) {
      weight = new BrainWeight(rows, packer);
    }
  }

  /**
   * The weight on windows.
   *
   * @param operator who asks, for the message if the kernel is closed
   */
  BrainWeight weight(String operator) {
    if (weight.isClosed()) {
      throw new IllegalStateException(
          operator + ": kernel " + Shape.of(out(), in, height, width) + " is closed");
    }
    return weight;
  }

  /** For whole pairs of channels alone. */
  @Override
  public void copyTap(int panel, int tap, int channel, int channels, float[] to, int at) {
    weight("conv2d").widen(panel * MicroKernel.WIDTH, tap * in + channel, channels, to, at);
  }

  /**
   * The weight of the gradient, {@code [in, height·width·out]}; kept from now on.
   *
   * @param operator who asks, for the message if the kernel is closed
   */
  BrainWeight transposed(String operator) {
    weight(operator);
    if (transposed == null) {
      int taps = height * width;
      try (var rows = Tensor.allocate(DType.BF16, Shape.of(in, Math.multiplyExact(taps, out())))) {
        for (int n = 0; n < out(); n++) {
          for (int tap = 0; tap < taps; tap++) {
            for (int c = 0; c < in; c++) {
              long to = (long) c * taps * out() + tap * out() + n;
              weight.copyElement(n, tap * in + c, rows.segment(), to);
            }
          }
        }
        transposed = new BrainWeight(rows, packer);
      }
    }
    return transposed;
  }

  @Override
  public int out() {
    return weight.out();
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
    weight.close();
    if (transposed != null) {
      transposed.close();
    }
  }
}
