package dev.gatun.runtime;

import static dev.gatun.runtime.OperatorChecks.floats;
import static dev.gatun.runtime.OperatorChecks.present;

/** What the gradient operators of {@link Backend} require, as {@link OperatorChecks} does. */
public final class GradientChecks {
  private GradientChecks() {}

  /** {@link Backend#linearGradient}, but for whose weight it is: {@link Checks#packed}. */
  public static void linear(Device device, Tensor dy, Weight weight, Tensor dx) {
    floats("linearGradient", "dy", dy, device);
    floats("linearGradient", "dx", dx, device);
    present("linearGradient", "weight", weight);
    Checks.matrix("linearGradient", "dy", dy, dy.shape().rows(), weight.out());
    Checks.matrix("linearGradient", "dx", dx, dy.shape().rows(), weight.in());
    Checks.disjoint("linearGradient", "dx", dx, "dy", dy);
  }

  /** {@link Backend#conv2dGradient}, but for whose kernel it is: {@link Checks#packed}. */
  public static void conv2d(
      Device device, Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx) {
    floats("conv2dGradient", "dy", dy, device);
    floats("conv2dGradient", "dx", dx, device);
    present("conv2dGradient", "kernel", kernel);
    present("conv2dGradient", "spec", spec);
    Checks.rank("conv2dGradient", "dx", dx, 4);
    if (dx.dim(3) != kernel.in()) {
      throw Checks.shape("conv2dGradient", "dx", dx, "[N, H, W, " + kernel.in() + "]");
    }
    int height = spec.outHeight(dx.dim(1), kernel.height());
    int width = spec.outWidth(dx.dim(2), kernel.width());
    if (!dy.shape().is(dx.dim(0), height, width, kernel.out())) {
      throw Checks.shape(
          "conv2dGradient",
          "dy",
          dy,
          "[%d, %d, %d, %d]".formatted(dx.dim(0), height, width, kernel.out()));
    }
    Checks.disjoint("conv2dGradient", "dx", dx, "dy", dy);
  }

  /** {@link Backend#attentionGradient}. */
  public static void attention(
      Device device,
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    OperatorChecks.attention("attentionGradient", device, DType.F32, q, k, v, spec);
    if (spec.windows() != null) {
      throw new IllegalArgumentException(
          "attentionGradient: the attention has windows, expected one over all tokens");
    }
    floats("attentionGradient", "dOut", dOut, device);
    Checks.same("attentionGradient", "dOut", dOut, q.shape());
    result("dq", dq, q, device, q, k, v, dOut);
    result("dk", dk, k, device, q, k, v, dOut);
    result("dv", dv, v, device, q, k, v, dOut);
    Checks.disjoint("attentionGradient", "dq", dq, "dk", dk);
    Checks.disjoint("attentionGradient", "dq", dq, "dv", dv);
    Checks.disjoint("attentionGradient", "dk", dk, "dv", dv);
  }

  private static void result(
      String name, Tensor d, Tensor of, Device device, Tensor q, Tensor k, Tensor v, Tensor dOut) {
    floats("attentionGradient", name, d, device);
    Checks.same("attentionGradient", name, d, of.shape());
    Checks.disjoint("attentionGradient", name, d, "q", q);
    Checks.disjoint("attentionGradient", name, d, "k", k);
    Checks.disjoint("attentionGradient", name, d, "v", v);
    Checks.disjoint("attentionGradient", name, d, "dOut", dOut);
  }

  /** {@link Backend#groupNormGradient}. */
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
      Tensor dy,
      Tensor dx) {
    FeatureMapChecks.groupNorm(
        "groupNormGradient", device, x, groups, gamma, beta, shift, scale, eps, activation);
    floats("groupNormGradient", "dy", dy, device);
    floats("groupNormGradient", "dx", dx, device);
    Checks.same("groupNormGradient", "dy", dy, x.shape());
    Checks.same("groupNormGradient", "dx", dx, x.shape());
    Checks.disjoint("groupNormGradient", "dx", dx, "x", x);
    Checks.disjointOrSame("groupNormGradient", "dx", dx, "dy", dy);
    Checks.disjoint("groupNormGradient", "dx", dx, "gamma", gamma);
    Checks.disjoint("groupNormGradient", "dx", dx, "beta", beta);
    if (scale != null) {
      Checks.disjoint("groupNormGradient", "dx", dx, "shift", shift);
      Checks.disjoint("groupNormGradient", "dx", dx, "scale", scale);
    }
  }

  /** {@link Backend#activateGradient}. */
  public static void activate(
      Device device, Activation activation, Tensor x, Tensor dy, Tensor dx) {
    present("activateGradient", "activation", activation);
    floats("activateGradient", "x", x, device);
    floats("activateGradient", "dy", dy, device);
    floats("activateGradient", "dx", dx, device);
    Checks.same("activateGradient", "dy", dy, x.shape());
    Checks.same("activateGradient", "dx", dx, x.shape());
    Checks.disjointOrSame("activateGradient", "dx", dx, "x", x);
    Checks.disjointOrSame("activateGradient", "dx", dx, "dy", dy);
  }
}
