package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;

/**
 * The kernels of {@code pointwise.cu}: operators that compute each element by itself. The arguments
 * have been checked; nothing is allocated.
 */
final class PointwiseKernels {
  private static final String SOURCE = "pointwise";

  private final Launcher launcher;
  private final Kernel activate;
  private final Kernel activateGradient;
  private final Kernel add;
  private final Kernel addPerSample;
  private final Kernel multiplyAdd;
  private final Kernel combine;
  private final Kernel clamp;
  private final Kernel exponential;
  private final Kernel fill;
  private final Kernel finish;

  PointwiseKernels(Kernels kernels, Launcher launcher) {
    this.launcher = launcher;
    activate = kernels.get(SOURCE, "activate");
    activateGradient = kernels.get(SOURCE, "activateGradient");
    add = kernels.get(SOURCE, "add");
    addPerSample = kernels.get(SOURCE, "addPerSample");
    multiplyAdd = kernels.get(SOURCE, "multiplyAdd");
    combine = kernels.get(SOURCE, "combine");
    clamp = kernels.get(SOURCE, "clamp");
    exponential = kernels.get(SOURCE, "exponential");
    fill = kernels.get(SOURCE, "fill");
    finish = kernels.get(SOURCE, "finish");
  }

  /** {@code out = activation(x)}. */
  void activate(Activation activation, Tensor x, Tensor out) {
    launcher.of(activate).value(activation.ordinal()).tensor(x).tensor(out);
    launch(out);
  }

  /** {@code dx = dy ⊙ activation'(x)}. */
  void activateGradient(Activation activation, Tensor x, Tensor dy, Tensor dx) {
    launcher.of(activateGradient).value(activation.ordinal()).tensor(x).tensor(dy).tensor(dx);
    launch(dx);
  }

  /** {@code out = x + y}, y added cyclically. */
  void add(Tensor x, Tensor y, Tensor out) {
    launcher.of(add).tensor(x).tensor(y).value(y.shape().rows()).tensor(out);
    launch(out);
  }

  /** {@code out = x + y}, with one row of y for all positions of a sample. */
  void addPerSample(Tensor x, Tensor y, Tensor out) {
    launcher.of(addPerSample).tensor(x).tensor(y).value(period(out, y)).tensor(out);
    launch(out);
  }

  /** {@code out = x ⊙ y + z}. */
  void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out) {
    launcher.of(multiplyAdd).tensor(x).tensor(y).tensor(z).tensor(out);
    launch(out);
  }

  /** {@code out = a·x + b·y}, or {@code a·x} where y is null; each product is rounded. */
  void combine(double a, Tensor x, double b, Tensor y, Tensor out) {
    launcher.of(combine).value((float) a).tensor(x).value((float) b).tensor(y).tensor(out);
    launch(out);
  }

  /** {@code out = min(max(x, low), high)}. */
  void clamp(Tensor x, double low, double high, Tensor out) {
    launcher.of(clamp).tensor(x).value((float) low).value((float) high).tensor(out);
    launch(out);
  }

  /** {@code out = exp(a·x + b)}. */
  void exp(double a, Tensor x, double b, Tensor out) {
    launcher.of(exponential).value(a).tensor(x).value(b).tensor(out);
    launch(out);
  }

  /** {@code out = value}. */
  void fill(Tensor out, float value) {
    launcher.of(fill).value(value).tensor(out);
    launch(out);
  }

  /**
   * What follows a product: {@code out = residual + gate ⊙ activation(product + bias)}.
   *
   * @param product {@code [rows, C]}; may be out
   * @param gate {@code [N, C]}, each row for {@code rows / N} consecutive rows; or null
   * @param residual {@code [R, C]}, added cyclically; may be out; or null
   * @param bias {@code [C]}; or null
   * @param out {@code [rows, C]}
   */
  void finish(
      Tensor product,
      Activation activation,
      Tensor gate,
      Tensor residual,
      Tensor bias,
      Tensor out) {
    finish(product.address(), product.rowStride(), activation, gate, residual, bias, out);
  }

  /**
   * {@link #finish(Tensor, Activation, Tensor, Tensor, Tensor, Tensor)} of a product that lies in
   * scratch memory.
   *
   * @param product its address
   * @param stride the distance of its rows, in elements
   */
  void finish(
      long product,
      long stride,
      Activation activation,
      Tensor gate,
      Tensor residual,
      Tensor bias,
      Tensor out) {
    launcher
        .of(finish)
        .value(product)
        .value(stride)
        .value(activation.ordinal())
        .pointer(bias)
        .tensor(gate)
        .value(gate == null ? 1 : period(out, gate))
        .tensor(residual)
        .value(residual == null ? 1 : residual.shape().rows())
        .tensor(out);
    launch(out);
  }

  /** How many consecutive rows of a tensor a row of another is for. */
  private static long period(Tensor rows, Tensor of) {
    return rows.shape().rows() / Math.max(1, of.shape().rows());
  }

  private void launch(Tensor out) {
    Elementwise.launch(launcher, out.shape().rows(), out.shape().cols());
  }
}
