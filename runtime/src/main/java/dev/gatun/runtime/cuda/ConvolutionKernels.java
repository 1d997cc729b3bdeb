package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * The kernels of {@code convolution.cu}: convolutions of any padding, stride and alignment, and
 * their gradient. The arguments have been checked; nothing is allocated.
 */
final class ConvolutionKernels {
  private static final String SOURCE = "convolution";
  private static final int THREADS = 128;

  /** Positions of a tile. */
  private static final int POSITIONS = 64;

  /** Channels of a wide and of a narrow tile. */
  private static final int WIDE = 64;

  private static final int NARROW = 16;

  private final Launcher launcher;
  private final Kernel wide;
  private final Kernel narrow;
  private final Kernel wideGradient;
  private final Kernel narrowGradient;

  ConvolutionKernels(Kernels kernels, Launcher launcher) {
    this.launcher = launcher;
    wide = kernels.get(SOURCE, "convolution64");
    narrow = kernels.get(SOURCE, "convolution16");
    wideGradient = kernels.get(SOURCE, "convolutionGradient64");
    narrowGradient = kernels.get(SOURCE, "convolutionGradient16");
  }

  /**
   * {@code out = residual + activation(x ∗ kernel + bias)}.
   *
   * @param x {@code [N, H, W, in]}
   * @param kernel dense, {@code [out, height·width·in]}, channel fastest
   * @param height of the kernel
   * @param width of the kernel
   * @param residual {@code [N, H', W', out]}, or null; may be out
   * @param out {@code [N, H', W', out]}
   */
  void conv2d(
      Tensor x,
      Tensor kernel,
      int height,
      int width,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    int channels = out.dim(3);
    boolean isNarrow = channels <= NARROW;
    launcher.of(isNarrow ? narrow : wide);
    operand(x, kernel, height, width, spec);
    launcher
        .value(epilogue.activation().ordinal())
        .pointer(epilogue.bias())
        .tensor(residual)
        .tensor(out);
    launch(out, isNarrow ? NARROW : WIDE);
  }

  /**
   * The gradient of {@link #conv2d} without activation and residual.
   *
   * @param dy {@code [N, H', W', out]}
   * @param kernel dense, {@code [out, height·width·in]}, channel fastest
   * @param dx {@code [N, H, W, in]}
   */
  void conv2dGradient(Tensor dy, Tensor kernel, int height, int width, Conv2dSpec spec, Tensor dx) {
    int channels = dx.dim(3);
    boolean isNarrow = channels <= NARROW;
    launcher.of(isNarrow ? narrowGradient : wideGradient);
    operand(dy, kernel, height, width, spec);
    launcher.tensor(dx);
    launch(dx, isNarrow ? NARROW : WIDE);
  }

  private void operand(Tensor map, Tensor kernel, int height, int width, Conv2dSpec spec) {
    launcher
        .tensor(map)
        .value(map.dim(1))
        .value(map.dim(2))
        .value(map.dim(3))
        .pointer(kernel)
        .value(height)
        .value(width)
        .value(spec.stride())
        .value(spec.top())
        .value(spec.left());
  }

  private void launch(Tensor result, int columns) {
    long rows = result.shape().rows();
    launcher
        .value(rows)
        .value(result.dim(1))
        .value(result.dim(2))
        .value(result.dim(3))
        .launch(Math.ceilDiv(rows, POSITIONS), Math.ceilDiv(result.dim(3), columns), 1, THREADS);
  }
}
