package dev.gatun.runtime.reference;

import static dev.gatun.runtime.Tensor.FLOAT;
import static dev.gatun.runtime.reference.HostMovement.row;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.FeatureMapChecks;
import dev.gatun.runtime.GradientChecks;
import dev.gatun.runtime.OperatorChecks;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import java.lang.foreign.MemorySegment;

/**
 * Every operator as its formula says, in scalar loops on one thread. Whatever is summed is summed
 * in double, and a result is rounded to f32 once, so a faster backend can be held against it.
 */
public final class ReferenceBackend implements Backend {
  /** One row widened to double: grown when needed, then reused. */
  private double[] wide = new double[0];

  private final ReferenceAttention attention = new ReferenceAttention();

  private final ReferenceGradients gradients = new ReferenceGradients();

  private final ReferenceConvolution convolution = new ReferenceConvolution();

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public Device device() {
    return Device.CPU;
  }

  @Override
  public Precision precision() {
    return Precision.F32;
  }

  @Override
  public int threads() {
    return 1;
  }

  @Override
  public String description() {
    return "scalar loops, 1 thread";
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    return Tensor.allocate(dtype, shape);
  }

  @Override
  public Weight pack(Tensor matrix) {
    OperatorChecks.pack(matrix);
    return new ReferenceWeight(matrix);
  }

  @Override
  public ConvKernel packKernel(Tensor kernel) {
    FeatureMapChecks.packKernel(kernel);
    return new ReferenceKernel(kernel);
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    OperatorChecks.copy(device(), from, to);
    HostMovement.copy(from, to);
  }

  @Override
  public void toChannelsLast(Tensor nchw, Tensor out) {
    OperatorChecks.toChannelsLast(device(), nchw, out);
    HostMovement.toChannelsLast(nchw, out);
  }

  @Override
  public void toChannelsFirst(Tensor nhwc, Tensor out) {
    OperatorChecks.toChannelsFirst(device(), nhwc, out);
    HostMovement.toChannelsFirst(nhwc, out);
  }

  @Override
  public void patchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.patchify(device(), x, patch, out);
    HostMovement.patchify(x, patch, out);
  }

  @Override
  public void unpatchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.unpatchify(device(), x, patch, out);
    HostMovement.unpatchify(x, patch, out);
  }

  @Override
  public void upsampleNearest(Tensor x, Tensor out) {
    FeatureMapChecks.upsampleNearest(device(), x, out);
    ReferenceResampling.upsampleNearest(x, out);
  }

  @Override
  public void averagePool(Tensor x, Tensor out) {
    FeatureMapChecks.averagePool(device(), x, out);
    ReferenceResampling.averagePool(x, out);
  }

  @Override
  public void resizeBilinear(Tensor x, Tensor out) {
    FeatureMapChecks.resizeBilinear(device(), x, out);
    ReferenceResampling.resizeBilinear(x, out);
  }

  @Override
  public void meanOfPositions(Tensor x, Tensor out) {
    FeatureMapChecks.meanOfPositions(device(), x, out);
    ReferenceNorm.meanOfPositions(x, out);
  }

  @Override
  public void embed(Tensor table, Tensor ids, Tensor out) {
    OperatorChecks.embed(device(), table, ids, out);
    HostEmbedding.embed(table, ids, out);
  }

  @Override
  public void timestepEmbedding(Tensor t, double maxPeriod, Tensor out) {
    OperatorChecks.timestepEmbedding(device(), t, maxPeriod, out);
    HostEmbedding.timestepEmbedding(t, maxPeriod, out);
  }

  @Override
  public void linear(
      Tensor x, Weight weight, Epilogue epilogue, Tensor gate, Tensor residual, Tensor out) {
    OperatorChecks.linear(device(), factorType(), x, weight, epilogue, gate, residual, out);
    var matrix =
        Checks.packed("linear", weight, ReferenceWeight.class, name()).matrix("linear").segment();
    var target = out.segment();
    var bias = epilogue.bias() == null ? null : epilogue.bias().segment();
    int in = weight.in();
    long rows = out.shape().rows();
    wide = atLeast(wide, in);
    for (long r = 0; r < rows; r++) {
      widen(x.segment(), row(x, r), wide, in);
      for (int o = 0; o < weight.out(); o++) {
        double y = dot(wide, matrix, (long) o * in * 4, in);
        if (bias != null) {
          y += bias.get(FLOAT, o * 4L);
        }
        y = apply(epilogue.activation(), y);
        if (gate != null) {
          y *= value(gate, r / (rows / gate.shape().rows()), o);
        }
        if (residual != null) {
          y += value(residual, r % residual.shape().rows(), o);
        }
        target.set(FLOAT, row(out, r) + o * 4L, (float) y);
      }
    }
  }

  @Override
  public void conv2d(
      Tensor x,
      ConvKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    FeatureMapChecks.conv2d(device(), x, kernel, spec, epilogue, residual, out);
    var own = Checks.packed("conv2d", kernel, ReferenceKernel.class, name());
    convolution.conv2d(x, own, spec, epilogue, residual, out);
  }

  @Override
  public void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    OperatorChecks.attention(device(), factorType(), q, k, v, spec, out);
    attention.attention(q, k, v, spec, out);
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    OperatorChecks.layerNorm(device(), factorType(), x, gamma, beta, shift, scale, eps, out);
    int cols = x.shape().cols();
    long rows = x.shape().rows();
    wide = atLeast(wide, cols);
    for (long r = 0; r < rows; r++) {
      widen(x.segment(), row(x, r), wide, cols);
      double mean = 0;
      for (int c = 0; c < cols; c++) {
        mean += wide[c];
      }
      mean /= cols;
      double variance = 0;
      for (int c = 0; c < cols; c++) {
        variance += (wide[c] - mean) * (wide[c] - mean);
      }
      variance /= cols;
      double deviation = Math.sqrt(variance + eps);
      for (int c = 0; c < cols; c++) {
        double y = (wide[c] - mean) / deviation;
        if (gamma != null) {
          y = y * value(gamma, 0, c) + value(beta, 0, c);
        }
        if (scale != null) {
          long sample = r / (rows / scale.shape().rows());
          y = y * (1.0 + value(scale, sample, c)) + value(shift, sample, c);
        }
        out.segment().set(FLOAT, row(out, r) + c * 4L, (float) y);
      }
    }
  }

  @Override
  public void groupNorm(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor out) {
    FeatureMapChecks.groupNorm(
        device(), x, groups, gamma, beta, shift, scale, eps, activation, out);
    ReferenceNorm.groupNorm(x, groups, gamma, beta, shift, scale, eps, activation, out);
  }

  @Override
  public void activate(Activation activation, Tensor x, Tensor out) {
    OperatorChecks.activate(device(), activation, x, out);
    for (long r = 0; r < out.shape().rows(); r++) {
      for (int c = 0; c < out.shape().cols(); c++) {
        set(out, r, c, (float) apply(activation, value(x, r, c)));
      }
    }
  }

  @Override
  public void add(Tensor x, Tensor y, Tensor out) {
    OperatorChecks.add(device(), x, y, out);
    long period = y.shape().rows();
    for (long r = 0; r < out.shape().rows(); r++) {
      for (int c = 0; c < out.shape().cols(); c++) {
        set(out, r, c, value(x, r, c) + value(y, r % period, c));
      }
    }
  }

  @Override
  public void addPerSample(Tensor x, Tensor y, Tensor out) {
    FeatureMapChecks.addPerSample(device(), x, y, out);
    long period = out.shape().rows() / Math.max(1, y.shape().rows());
    for (long r = 0; r < out.shape().rows(); r++) {
      for (int c = 0; c < out.shape().cols(); c++) {
        set(out, r, c, value(x, r, c) + value(y, r / period, c));
      }
    }
  }

  @Override
  public void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out) {
    OperatorChecks.multiplyAdd(device(), x, y, z, out);
    for (long r = 0; r < out.shape().rows(); r++) {
      for (int c = 0; c < out.shape().cols(); c++) {
        set(out, r, c, (float) ((double) value(x, r, c) * value(y, r, c) + value(z, r, c)));
      }
    }
  }

  @Override
  public void combine(double a, Tensor x, double b, Tensor y, Tensor out) {
    OperatorChecks.combine(device(), x, y, out);
    float fa = (float) a;
    float fb = (float) b;
    for (long r = 0; r < out.shape().rows(); r++) {
      for (int c = 0; c < out.shape().cols(); c++) {
        float ax = fa * value(x, r, c);
        set(out, r, c, y == null ? ax : ax + fb * value(y, r, c));
      }
    }
  }

  @Override
  public void clamp(Tensor x, double low, double high, Tensor out) {
    OperatorChecks.clamp(device(), x, low, high, out);
    for (long r = 0; r < out.shape().rows(); r++) {
      for (int c = 0; c < out.shape().cols(); c++) {
        set(out, r, c, Math.min(Math.max(value(x, r, c), (float) low), (float) high));
      }
    }
  }

  @Override
  public void fill(Tensor out, double value) {
    OperatorChecks.fill(device(), out);
    HostMovement.fill(out, (float) value);
  }

  @Override
  public void exp(double a, Tensor x, double b, Tensor out) {
    OperatorChecks.exp(device(), x, out);
    for (long r = 0; r < out.shape().rows(); r++) {
      for (int c = 0; c < out.shape().cols(); c++) {
        set(out, r, c, (float) Math.exp(a * value(x, r, c) + b));
      }
    }
  }

  @Override
  public void linearGradient(Tensor dy, Weight weight, Tensor dx) {
    GradientChecks.linear(device(), dy, weight, dx);
    var own = Checks.packed("linearGradient", weight, ReferenceWeight.class, name());
    gradients.linear(dy, own, dx);
  }

  @Override
  public void conv2dGradient(Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx) {
    GradientChecks.conv2d(device(), dy, kernel, spec, dx);
    var own = Checks.packed("conv2dGradient", kernel, ReferenceKernel.class, name());
    gradients.conv2d(dy, own, spec, dx);
  }

  @Override
  public void attentionGradient(
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    GradientChecks.attention(device(), q, k, v, spec, dOut, dq, dk, dv);
    attention.gradient(q, k, v, spec, dOut, dq, dk, dv);
  }

  @Override
  public void groupNormGradient(
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
    GradientChecks.groupNorm(
        device(), x, groups, gamma, beta, shift, scale, eps, activation, dy, dx);
    gradients.groupNorm(x, groups, gamma, beta, shift, scale, eps, activation, dy, dx);
  }

  @Override
  public void activateGradient(Activation activation, Tensor x, Tensor dy, Tensor dx) {
    GradientChecks.activate(device(), activation, x, dy, dx);
    ReferenceGradients.activate(activation, x, dy, dx);
  }

  @Override
  public void close() {}

  /** The formulas of {@link Activation}. */
  static double apply(Activation activation, double x) {
    return switch (activation) {
      case IDENTITY -> x;
      case SILU -> x / (1 + Math.exp(-x));
      case GELU_TANH ->
          0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case GELU_ERF -> 0.5 * x * (1 + Erf.erf(x / Math.sqrt(2)));
      case QUICK_GELU -> x / (1 + Math.exp(-1.702 * x));
      case RELU -> Math.max(0, x);
    };
  }

  /**
   * {@code Σ x_i·y_i}. Four partial sums, because one would wait for itself; the order depends on
   * the length alone.
   */
  static double dot(double[] x, MemorySegment y, long at, int length) {
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    int i = 0;
    for (; i + 3 < length; i += 4, at += 16) {
      s0 += x[i] * y.get(FLOAT, at);
      s1 += x[i + 1] * y.get(FLOAT, at + 4);
      s2 += x[i + 2] * y.get(FLOAT, at + 8);
      s3 += x[i + 3] * y.get(FLOAT, at + 12);
    }
    for (; i < length; i++, at += 4) {
      s0 += x[i] * y.get(FLOAT, at);
    }
    return s0 + s1 + (s2 + s3);
  }

  static void widen(MemorySegment from, long at, double[] to, int length) {
    widen(from, at, to, 0, length);
  }

  static void widen(MemorySegment from, long at, double[] to, int first, int length) {
    for (int i = 0; i < length; i++) {
      to[first + i] = from.get(FLOAT, at + i * 4L);
    }
  }

  static float value(Tensor tensor, long row, int col) {
    return tensor.segment().get(FLOAT, row(tensor, row) + col * 4L);
  }

  static void set(Tensor tensor, long row, int col, float value) {
    tensor.segment().set(FLOAT, row(tensor, row) + col * 4L, value);
  }

  static double[] atLeast(double[] array, int length) {
    return array.length < length ? new double[length] : array;
  }
}
