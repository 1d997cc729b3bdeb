package dev.gatun.runtime;

import static dev.gatun.runtime.OperatorChecks.floats;
import static dev.gatun.runtime.OperatorChecks.present;

/**
 * What the operators on feature maps, convolution, group normalisation and resampling, require of
 * their arguments: the part of {@link OperatorChecks} for tensors whose middle axes are positions.
 */
public final class FeatureMapChecks {
  private FeatureMapChecks() {}

  /** {@link Backend#packKernel}: a kernel in host memory of a type that weights are stored in. */
  public static void packKernel(Tensor kernel) {
    OperatorChecks.parameters("packKernel", "kernel", kernel, 4);
    if (kernel.dim(2) < 1 || kernel.dim(3) < 1) {
      throw Checks.shape(
          "packKernel", "kernel", kernel, "[out, in, height, width] with a window of at least 1x1");
    }
  }

  /**
   * {@link Backend#conv2d(Tensor, ConvKernel, Conv2dSpec, Epilogue, Tensor, Tensor)}, but for whose
   * kernel it is: {@link Checks#packed}.
   */
  public static void conv2d(
      Device device,
      Tensor x,
      ConvKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    floats("conv2d", "x", x, device);
    floats("conv2d", "out", out, device);
    present("conv2d", "kernel", kernel);
    present("conv2d", "spec", spec);
    present("conv2d", "epilogue", epilogue);
    Checks.rank("conv2d", "x", x, 4);
    if (x.dim(3) != kernel.in()) {
      throw Checks.shape("conv2d", "x", x, "[N, H, W, " + kernel.in() + "]");
    }
    int height = spec.outHeight(x.dim(1), kernel.height());
    int width = spec.outWidth(x.dim(2), kernel.width());
    if (height < 1 || width < 1) {
      throw Checks.shape(
          "conv2d",
          "x",
          x,
          "a map that is with its padding no smaller than the kernel, "
              + kernel.height()
              + "x"
              + kernel.width());
    }
    map("conv2d", "out", out, x.dim(0), height, width, kernel.out());
    Checks.disjoint("conv2d", out, "x", x);
    if (epilogue.bias() != null) {
      floats("conv2d", "bias", epilogue.bias(), device);
      Checks.vector("conv2d", "bias", epilogue.bias(), kernel.out());
      Checks.disjoint("conv2d", out, "bias", epilogue.bias());
    }
    if (residual != null) {
      floats("conv2d", "residual", residual, device);
      Checks.same("conv2d", "residual", residual, out.shape());
      Checks.disjointOrSame("conv2d", out, "residual", residual);
    }
  }

  /** {@link Backend#groupNorm}. */
  public static void groupNorm(
      Device device,
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor out) {
    groupNorm("groupNorm", device, x, groups, gamma, beta, shift, scale, eps, activation);
    floats("groupNorm", "out", out, device);
    Checks.same("groupNorm", "out", out, x.shape());
    Checks.disjointOrSame("groupNorm", out, "x", x);
    Checks.disjoint("groupNorm", out, "gamma", gamma);
    Checks.disjoint("groupNorm", out, "beta", beta);
    if (scale != null) {
      Checks.disjoint("groupNorm", out, "shift", shift);
      Checks.disjoint("groupNorm", out, "scale", scale);
    }
  }

  /** The operands of a group normalisation, or of its gradient. */
  static void groupNorm(
      String operator,
      Device device,
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation) {
    floats(operator, "x", x, device);
    present(operator, "activation", activation);
    if (!(eps >= 0)) {
      throw new IllegalArgumentException(operator + ": eps is " + eps + ", expected at least 0");
    }
    if (x.shape().rank() < 2 || x.shape().rank() > 4) {
      throw Checks.shape(operator, "x", x, "[N, C], [N, L, C] or [N, H, W, C]");
    }
    int channels = x.shape().cols();
    if (groups < 1 || channels % groups != 0) {
      throw Checks.shape(operator, "x", x, "a last extent that " + groups + " groups divide");
    }
    floats(operator, "gamma", gamma, device);
    floats(operator, "beta", beta, device);
    Checks.vector(operator, "gamma", gamma, channels);
    Checks.vector(operator, "beta", beta, channels);
    if (shift != null || scale != null) {
      floats(operator, "shift", shift, device);
      floats(operator, "scale", scale, device);
      Checks.matrix(operator, "shift", shift, x.dim(0), channels);
      Checks.matrix(operator, "scale", scale, x.dim(0), channels);
    }
  }

  /** {@link Backend#upsampleNearest}. */
  public static void upsampleNearest(Device device, Tensor x, Tensor out) {
    maps("upsampleNearest", device, x, out);
    map("upsampleNearest", "out", out, x.dim(0), 2L * x.dim(1), 2L * x.dim(2), x.dim(3));
  }

  /** {@link Backend#averagePool}. */
  public static void averagePool(Device device, Tensor x, Tensor out) {
    maps("averagePool", device, x, out);
    if (x.dim(1) % 2 != 0 || x.dim(2) % 2 != 0) {
      throw Checks.shape("averagePool", "x", x, "[N, H, W, C] with H and W even");
    }
    map("averagePool", "out", out, x.dim(0), x.dim(1) / 2, x.dim(2) / 2, x.dim(3));
  }

  /** {@link Backend#resizeBilinear}. */
  public static void resizeBilinear(Device device, Tensor x, Tensor out) {
    maps("resizeBilinear", device, x, out);
    Checks.rank("resizeBilinear", "out", out, 4);
    map("resizeBilinear", "out", out, x.dim(0), out.dim(1), out.dim(2), x.dim(3));
    if (x.shape().size() == 0 && out.shape().size() != 0) {
      throw Checks.shape("resizeBilinear", "x", x, "at least one position for " + out.shape());
    }
  }

  /** Two maps of the device that share no memory. */
  private static void maps(String operator, Device device, Tensor x, Tensor out) {
    floats(operator, "x", x, device);
    floats(operator, "out", out, device);
    Checks.rank(operator, "x", x, 4);
    Checks.disjoint(operator, out, "x", x);
  }

  private static void map(
      String operator, String operand, Tensor tensor, int n, long height, long width, int c) {
    if (tensor.shape().rank() != 4
        || tensor.dim(0) != n
        || tensor.dim(1) != height
        || tensor.dim(2) != width
        || tensor.dim(3) != c) {
      throw Checks.shape(
          operator, operand, tensor, "[" + n + ", " + height + ", " + width + ", " + c + "]");
    }
  }

  /** {@link Backend#meanOfPositions}. */
  public static void meanOfPositions(Device device, Tensor x, Tensor out) {
    floats("meanOfPositions", "x", x, device);
    floats("meanOfPositions", "out", out, device);
    if (x.shape().rank() != 3 && x.shape().rank() != 4) {
      throw Checks.shape("meanOfPositions", "x", x, "[N, L, C] or [N, H, W, C]");
    }
    Checks.matrix("meanOfPositions", "out", out, x.dim(0), x.shape().cols());
    if (x.shape().size() == 0 && out.shape().size() != 0) {
      throw Checks.shape("meanOfPositions", "x", x, "at least one position");
    }
    Checks.disjoint("meanOfPositions", out, "x", x);
  }

  /** {@link Backend#addPerSample}. */
  public static void addPerSample(Device device, Tensor x, Tensor y, Tensor out) {
    floats("addPerSample", "x", x, device);
    floats("addPerSample", "y", y, device);
    floats("addPerSample", "out", out, device);
    Checks.divides("addPerSample", "y", y, x.shape().rows(), x.shape().cols());
    Checks.matrix("addPerSample", "out", out, x.shape().rows(), x.shape().cols());
    Checks.disjointOrSame("addPerSample", out, "x", x);
    Checks.disjoint("addPerSample", out, "y", y);
  }
}
