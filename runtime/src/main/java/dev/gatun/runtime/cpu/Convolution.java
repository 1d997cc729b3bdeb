package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * Convolution as a matrix product whose left matrix is never held: its rows are {@link Windows},
 * which {@link Gemm} asks for in blocks. What {@link Winograd} does in less time is left to it.
 */
final class Convolution {
  private final Gemm gemm;
  private final Winograd winograd;
  private final Windows windows = new Windows();
  private final GradientWindows gradients = new GradientWindows();

  Convolution(Gemm gemm, Winograd winograd) {
    this.gemm = gemm;
    this.winograd = winograd;
  }

  void conv2d(
      Tensor x, PackedKernel kernel, Conv2dSpec spec, Epilogue e, Tensor residual, Tensor out) {
    var panels = kernel.panels("conv2d");
    if (isProduct(kernel, spec)) {
      gemm.multiply(x, kernel.in(), panels, e, null, residual, out);
      return;
    }
    if (Winograd.pays(kernel, spec, out.dim(1), out.dim(2), 1)) {
      winograd.conv2d(x, kernel, spec, e, residual, out);
      return;
    }
    windows.set(x, kernel, spec, out);
    int length = kernel.height() * kernel.width() * kernel.in();
    gemm.multiply(windows, length, panels, e, null, residual, out);
  }

  /** The gradient of the operand, {@code dx}. */
  void gradient(Tensor dy, PackedKernel kernel, Conv2dSpec spec, Tensor dx) {
    var panels = kernel.transposedPanels("conv2dGradient");
    gradients.set(dy, kernel, spec, dx);
    int length = kernel.height() * kernel.width() * kernel.out();
    gemm.multiply(gradients, length, panels, Epilogue.NONE, null, null, dx);
  }

  /** Whether each position of the result depends on the very same position of x alone. */
  static boolean isProduct(ConvKernel kernel, Conv2dSpec spec) {
    return kernel.height() == 1
        && kernel.width() == 1
        && spec.stride() == 1
        && (spec.top() | spec.left() | spec.bottom() | spec.right()) == 0;
  }
}
