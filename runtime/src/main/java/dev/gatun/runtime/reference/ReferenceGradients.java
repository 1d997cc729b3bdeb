package dev.gatun.runtime.reference;

import static dev.gatun.runtime.Tensor.FLOAT;
import static dev.gatun.runtime.reference.HostMovement.row;
import static dev.gatun.runtime.reference.ReferenceBackend.atLeast;
import static dev.gatun.runtime.reference.ReferenceBackend.set;
import static dev.gatun.runtime.reference.ReferenceBackend.value;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Tensor;
import java.util.Arrays;

/** The gradients of linear layer, convolution, group normalisation and activation. */
final class ReferenceGradients {
  /** One row of the gradient, as it is summed. */
  private double[] sums = new double[0];

  /** The gradient with respect to the normalised values of one group. */
  private double[] slopes = new double[0];

  void linear(Tensor dy, ReferenceWeight weight, Tensor dx) {
    var matrix = weight.matrix("linearGradient");
    sums = atLeast(sums, weight.in());
    for (long r = 0; r < dx.shape().rows(); r++) {
      Arrays.fill(sums, 0);
      for (int o = 0; o < weight.out(); o++) {
        addRow(value(dy, r, o), matrix, o, 0, weight.in());
      }
      store(dx, r, weight.in());
    }
  }

  void conv2d(Tensor dy, ReferenceKernel kernel, Conv2dSpec spec, Tensor dx) {
    sums = atLeast(sums, kernel.in());
    int height = dx.dim(1);
    int width = dx.dim(2);
    for (long r = 0; r < dx.shape().rows(); r++) {
      Arrays.fill(sums, 0);
      int y = (int) (r / width % height);
      int x = (int) (r % width);
      long sample = r / width / height;
      for (int a = 0; a < kernel.height(); a++) {
        int i = origin(y + spec.top() - a, spec.stride(), dy.dim(1));
        for (int b = 0; b < kernel.width() && i >= 0; b++) {
          int j = origin(x + spec.left() - b, spec.stride(), dy.dim(2));
          if (j >= 0) {
            long position = (sample * dy.dim(1) + i) * dy.dim(2) + j;
            addTap(dy, position, kernel, a * kernel.width() + b);
          }
        }
      }
      store(dx, r, kernel.in());
    }
  }

  /** The result whose window begins there, or -1 for none. */
  private static int origin(int begin, int stride, int extent) {
    return begin < 0 || begin % stride != 0 || begin / stride >= extent ? -1 : begin / stride;
  }

  /** What one element of the kernel's window contributes. */
  private void addTap(Tensor dy, long position, ReferenceKernel kernel, int tap) {
    var rows = kernel.rows("conv2dGradient");
    for (int o = 0; o < kernel.out(); o++) {
      addRow(value(dy, position, o), rows, o, tap * kernel.in(), kernel.in());
    }
  }

  /** {@code sums += factor·matrix[row, from …]}. */
  private void addRow(double factor, Tensor matrix, long row, int from, int count) {
    var memory = matrix.segment();
    long at = row(matrix, row) + from * 4L;
    for (int c = 0; c < count; c++) {
      sums[c] += factor * memory.get(FLOAT, at + c * 4L);
    }
  }

  private void store(Tensor dx, long row, int count) {
    for (int c = 0; c < count; c++) {
      set(dx, row, c, (float) sums[c]);
    }
  }

  void groupNorm(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor dy,
      Tensor dx) {
    int size = x.shape().cols() / groups;
    long positions = x.shape().rows() / Math.max(1, x.dim(0));
    int count = Math.toIntExact(positions * size);
    slopes = atLeast(slopes, count);
    for (int n = 0; n < x.dim(0); n++) {
      long from = n * positions;
      long to = from + positions;
      for (int first = 0; first < x.shape().cols(); first += size) {
        double mean = ReferenceNorm.mean(x, from, to, first, first + size);
        double variance = ReferenceNorm.variance(x, from, to, first, first + size, mean);
        double deviation = Math.sqrt(variance + eps);
        double sum = 0;
        double product = 0;
        int at = 0;
        for (long r = from; r < to; r++) {
          for (int c = first; c < first + size; c++, at++) {
            double normal = (value(x, r, c) - mean) / deviation;
            double modulation = scale == null ? 1 : 1.0 + value(scale, n, c);
            double offset = shift == null ? 0 : value(shift, n, c);
            double y = (normal * value(gamma, 0, c) + value(beta, 0, c)) * modulation + offset;
            slopes[at] = value(dy, r, c) * slope(activation, y) * modulation * value(gamma, 0, c);
            sum += slopes[at];
            product += slopes[at] * normal;
          }
        }
        at = 0;
        for (long r = from; r < to; r++) {
          for (int c = first; c < first + size; c++, at++) {
            double normal = (value(x, r, c) - mean) / deviation;
            double d = slopes[at] - sum / count - normal * product / count;
            set(dx, r, c, (float) (d / deviation));
          }
        }
      }
    }
  }

  static void activate(Activation activation, Tensor x, Tensor dy, Tensor dx) {
    for (long r = 0; r < dx.shape().rows(); r++) {
      for (int c = 0; c < dx.shape().cols(); c++) {
        set(dx, r, c, (float) (value(dy, r, c) * slope(activation, value(x, r, c))));
      }
    }
  }

  /** The derivatives of {@link Activation}; 0 for that of ReLU at 0. */
  private static double slope(Activation activation, double x) {
    return switch (activation) {
      case IDENTITY -> 1;
      case SILU -> slopeOfSigmoidUnit(x, 1);
      case GELU_TANH -> {
        double a = Math.sqrt(2 / Math.PI);
        double t = Math.tanh(a * (x + 0.044715 * x * x * x));
        yield 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * a * (1 + 3 * 0.044715 * x * x);
      }
      case GELU_ERF ->
          0.5 * (1 + Erf.erf(x / Math.sqrt(2))) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
      case QUICK_GELU -> slopeOfSigmoidUnit(x, 1.702);
      case RELU -> x > 0 ? 1 : 0;
    };
  }

  /** That of {@code x·σ(ax)}. */
  private static double slopeOfSigmoidUnit(double x, double a) {
    double sigmoid = 1 / (1 + Math.exp(-a * x));
    return sigmoid * (1 + a * x * (1 - sigmoid));
  }
}
