package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The kernel of a convolution as the weight of a linear layer on windows, {@code [out,
 * height·width·in]} with the channel fastest, in panels.
 */
final class PackedKernel implements PanelKernel {
  private final int in;
  private final int height;
  private final int width;
  private final PackedWeight weight;

  /** Made when a gradient is first asked for. */
  private PackedWeight transposed;

  /** From {@code [out, in, height, width]}, by all threads of a team. */
  PackedKernel(Tensor kernel, ThreadTeam team) {
    in = kernel.dim(1);
    height = kernel.dim(2);
    width = kernel.dim(3);
    try (var rows = WindowRows.of(kernel, team)) {
      weight = new PackedWeight(rows, team);
    }
  }

  /**
   * The panels, {@code [panels][height·width·in][WIDTH]}.
   *
   * @param operator who asks, for the message if the kernel is closed
   */
  MemorySegment panels(String operator) {
    if (weight.isClosed()) {
      throw new IllegalStateException(
          operator + ": kernel " + Shape.of(out(), in, height, width) + " is closed");
    }
    return weight.panels(operator);
  }

  @Override
  public void copyTap(int panel, int tap, int channel, int channels, float[] to, int at) {
    long row = ((long) panel * height * width + tap) * in + channel;
    long from = row * MicroKernel.WIDTH * Float.BYTES;
    Gemm.copyRun(panels("conv2d"), from, to, at, channels * MicroKernel.WIDTH);
  }

  /**
   * The panels of the gradient's weight {@code [in, height·width·out]}; kept from now on.
   *
   * @param operator who asks, for the message if the kernel is closed
   */
  MemorySegment transposedPanels(String operator) {
    panels(operator);
    if (transposed == null) {
      int taps = height * width;
      int length = Math.multiplyExact(taps, out());
      try (var rows = Tensor.allocate(DType.F32, Shape.of(in, length))) {
        for (int c = 0; c < in; c++) {
          for (int tap = 0; tap < taps; tap++) {
            weight.copyColumn(tap * in + c, rows.segment(), (long) c * length + tap * out());
          }
        }
        transposed = new PackedWeight(rows);
      }
    }
    return transposed.panels(operator);
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
