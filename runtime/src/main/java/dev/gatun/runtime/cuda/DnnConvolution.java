package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cudnn.Cudnn;
import dev.gatun.runtime.Activation;
import java.util.stream.LongStream;

/**
 * A convolution with cuDNN, as much of what follows it fused as an engine takes: {@code y =
 * residual + activation(x ∗ w + bias)}, feature maps {@code [N, H, W, C]}, kernels {@code [out,
 * height, width, in]}.
 */
final class DnnConvolution implements AutoCloseable {
  private static final int X = 1;
  private static final int W = 2;
  private static final int BIAS = 3;
  private static final int RESIDUAL = 4;
  private static final int Y = 5;

  private final ConvolutionShape fused;
  private final DnnPlan plan;
  private final long[] ids;
  private final long[] addresses;

  private DnnConvolution(ConvolutionShape fused, DnnPlan plan) {
    this.fused = fused;
    this.plan = plan;
    ids =
        LongStream.of(X, W, Y, BIAS, RESIDUAL)
            .filter(id -> id != BIAS || fused.biased())
            .filter(id -> id != RESIDUAL || fused.residualStride() != 0)
            .toArray();
    addresses = new long[ids.length];
  }

  /**
   * Plans one.
   *
   * @param engines that may be taken
   * @return null if cuDNN has no engine, not even for the bare convolution
   */
  static DnnConvolution plan(DnnTarget target, ConvolutionShape shape, Engines engines) {
    var tried = new ConvolutionShape[] {shape, shape.bare(true), shape.bare(false)};
    for (int i = 0; i < tried.length; i++) {
      if (i > 0 && tried[i].equals(tried[i - 1])) {
        continue;
      }
      var plan = graph(target, tried[i], engines);
      if (plan != null) {
        return new DnnConvolution(tried[i], plan);
      }
    }
    return null;
  }

  private static DnnPlan graph(DnnTarget target, ConvolutionShape shape, Engines engines) {
    return switch (shape.activation()) {
      // x·σ(1.702x) is no function of the library, and its ReLU makes NaN zero
      case QUICK_GELU, RELU -> null;
      case IDENTITY, SILU, GELU_TANH, GELU_ERF ->
          DnnGraph.plan(graph -> build(graph, shape), target, engines);
    };
  }

  private static void build(DnnGraph graph, ConvolutionShape shape) {
    int alignment = shape.alignment();
    long[] wDims = {shape.out(), shape.in(), shape.kernelHeight(), shape.kernelWidth()};
    long[] yDims = {shape.n(), shape.out(), shape.outHeight(), shape.outWidth()};
    long[] xDims = {shape.n(), shape.in(), shape.height(), shape.width()};
    var x = graph.tensor(X, alignment, xDims, channelsLast(xDims, shape.xStride()));
    var w = graph.tensor(W, 16, wDims, channelsLast(wDims, shape.in()));
    boolean activated = shape.activation() != Activation.IDENTITY;
    boolean added = shape.residualStride() != 0;
    var dense = channelsLast(yDims, shape.out());
    var y = graph.tensor(Y, alignment, yDims, channelsLast(yDims, shape.outStride()));
    var product = shape.biased() || activated || added ? graph.between(yDims, dense) : y;
    graph.convolution(
        x,
        w,
        product,
        new long[] {shape.spec().top(), shape.spec().left()},
        new long[] {shape.spec().bottom(), shape.spec().right()},
        shape.spec().stride());
    if (shape.biased()) {
      long[] dims = {1, shape.out(), 1, 1};
      var bias = graph.tensor(BIAS, alignment, dims, channelsLast(dims, shape.out()));
      var sum = activated || added ? graph.between(yDims, dense) : y;
      graph.pointwise(Cudnn.CUDNN_POINTWISE_ADD(), product, bias, sum);
      product = sum;
    }
    if (activated) {
      var result = added ? graph.between(yDims, dense) : y;
      graph.pointwise(mode(shape.activation()), product, null, result);
      product = result;
    }
    if (added) {
      var residual =
          graph.tensor(RESIDUAL, alignment, yDims, channelsLast(yDims, shape.residualStride()));
      graph.pointwise(Cudnn.CUDNN_POINTWISE_ADD(), product, residual, y);
    }
  }

  /** Strides of {@code [N, C, H, W]} in memory as {@code [N, H, W, C]}. */
  private static long[] channelsLast(long[] dims, long position) {
    return new long[] {dims[2] * dims[3] * position, 1, dims[3] * position, position};
  }

  private static int mode(Activation activation) {
    return switch (activation) {
      case IDENTITY -> Cudnn.CUDNN_POINTWISE_IDENTITY();
      case SILU -> Cudnn.CUDNN_POINTWISE_SWISH_FWD();
      case GELU_TANH -> Cudnn.CUDNN_POINTWISE_GELU_APPROX_TANH_FWD();
      case GELU_ERF -> Cudnn.CUDNN_POINTWISE_GELU_FWD();
      case QUICK_GELU, RELU -> throw new IllegalArgumentException("cuDNN has no " + activation);
    };
  }

  /** What it computes; the rest of what was asked for is left to the caller. */
  ConvolutionShape fused() {
    return fused;
  }

  /** Bytes that it needs while it runs. */
  long workspace() {
    return plan.workspace();
  }

  /**
   * Puts it into the library's stream.
   *
   * @param bias address; not looked at where none is fused
   * @param residual address; not looked at where none is fused
   * @param scratch address of {@link #workspace()} bytes
   */
  void execute(Dnn library, long x, long w, long bias, long residual, long y, long scratch) {
    addresses[0] = x;
    addresses[1] = w;
    addresses[2] = y;
    int count = 3;
    if (fused.biased()) {
      addresses[count++] = bias;
    }
    if (fused.residualStride() != 0) {
      addresses[count] = residual;
    }
    plan.execute(library, ids, addresses, scratch);
  }

  @Override
  public void close() {
    plan.close();
  }
}
