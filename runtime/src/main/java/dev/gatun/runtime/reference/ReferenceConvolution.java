package dev.gatun.runtime.reference;

import static dev.gatun.runtime.Tensor.FLOAT;
import static dev.gatun.runtime.reference.HostMovement.row;
import static dev.gatun.runtime.reference.ReferenceBackend.apply;
import static dev.gatun.runtime.reference.ReferenceBackend.atLeast;
import static dev.gatun.runtime.reference.ReferenceBackend.dot;
import static dev.gatun.runtime.reference.ReferenceBackend.value;
import static dev.gatun.runtime.reference.ReferenceBackend.widen;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import java.util.Arrays;

/** Convolution, position by position: the window, widened to double, by each row of the kernel. */
final class ReferenceConvolution {
  /** {@code [height][width][in]}, with zeros where it reaches beyond the map. */
  private double[] window = new double[0];

  void conv2d(
      Tensor x,
      ReferenceKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    var rows = kernel.rows("conv2d").segment();
    int length = kernel.height() * kernel.width() * kernel.in();
    window = atLeast(window, length);
    for (long r = 0; r < out.shape().rows(); r++) {
      long sample = r / ((long) out.dim(1) * out.dim(2));
      int i = (int) (r / out.dim(2) % out.dim(1));
      int j = (int) (r % out.dim(2));
      load(x, sample, i * spec.stride() - spec.top(), j * spec.stride() - spec.left(), kernel);
      for (int o = 0; o < kernel.out(); o++) {
        double y = dot(window, rows, (long) o * length * 4, length);
        if (epilogue.bias() != null) {
          y += value(epilogue.bias(), 0, o);
        }
        y = apply(epilogue.activation(), y);
        if (residual != null) {
          y += value(residual, r, o);
        }
        out.segment().set(FLOAT, row(out, r) + o * 4L, (float) y);
      }
    }
  }

  /** The window whose first corner is (top, left), which may lie outside of the map. */
  private void load(Tensor x, long sample, int top, int left, ReferenceKernel kernel) {
    int in = kernel.in();
    int at = 0;
    for (int a = 0; a < kernel.height(); a++) {
      for (int b = 0; b < kernel.width(); b++, at += in) {
        int i = top + a;
        int j = left + b;
        if (i < 0 || i >= x.dim(1) || j < 0 || j >= x.dim(2)) {
          Arrays.fill(window, at, at + in, 0);
        } else {
          long position = (sample * x.dim(1) + i) * x.dim(2) + j;
          widen(x.segment(), row(x, position), window, at, in);
        }
      }
    }
  }
}
