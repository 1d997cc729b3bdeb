package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * Convolutions with cuDNN, planned once for each shape; with a kernel of our own where it has no
 * engine, as for paddings that differ or for rows that begin anywhere.
 */
final class Convolution implements AutoCloseable {
  private final Session session;
  private final Dnn library;
  private final Engines engines;
  private final ConvolutionKernels own;
  private final PointwiseKernels pointwise;
  private final Scratch scratch;
  private final PlanCache<ConvolutionShape, DnnConvolution> plans = new PlanCache<>();

  Convolution(
      Session session,
      Dnn library,
      Products products,
      ConvolutionKernels own,
      PointwiseKernels pointwise,
      Scratch scratch) {
    this.session = session;
    this.own = own;
    this.pointwise = pointwise;
    this.scratch = scratch;
    engines = new Engines(products == Products.F32, true, session.mostWorkspace());
    this.library = library;
  }

  /** {@code out = residual + activation(x ∗ kernel + bias)}. */
  void conv2d(
      Tensor x,
      DeviceKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    var rows = kernel.rows("conv2d");
    var asked = ConvolutionShape.of(x, kernel, spec, epilogue, residual, out);
    // The library does not say that an operand may be the result.
    boolean inPlace = residual != null && residual.address() == out.address();
    var plan = plan(inPlace ? asked.bare(true) : asked);
    if (plan == null) {
      own.conv2d(x, rows, kernel.height(), kernel.width(), spec, epilogue, residual, out);
      return;
    }
    var fused = plan.fused();
    boolean finished = fused.equals(asked);
    long workspace = Math.ceilDiv(plan.workspace(), 256) * 256;
    boolean aside = !finished && residual != null;
    long product = aside ? out.shape().rows() * out.shape().cols() * Float.BYTES : 0;
    long memory = workspace + product == 0 ? 0 : scratch.address(workspace + product);
    long to = aside ? memory + workspace : out.address();
    plan.execute(
        library,
        x.address(),
        rows.address(),
        epilogue.bias() == null ? 0 : epilogue.bias().address(),
        residual == null ? 0 : residual.address(),
        to,
        memory);
    if (!finished) {
      var bias = fused.biased() ? null : epilogue.bias();
      pointwise.finish(to, fused.outStride(), epilogue.activation(), null, residual, bias, out);
    }
  }

  private DnnConvolution plan(ConvolutionShape shape) {
    if (!plans.has(shape)) {
      if (session.stream().isCapturing()) {
        throw new UnrecordableException("a convolution has no plan yet");
      }
      boolean empty = shape.in() == 0;
      plans.put(
          shape, empty ? null : DnnConvolution.plan(new DnnTarget.Open(library), shape, engines));
    }
    return plans.get(shape);
  }

  /** Gradient of {@link #conv2d} without activation and residual. */
  void gradient(Tensor dy, DeviceKernel kernel, Conv2dSpec spec, Tensor dx) {
    if (dx.shape().size() != 0) {
      var rows = kernel.rows("conv2dGradient");
      own.conv2dGradient(dy, rows, kernel.height(), kernel.width(), spec, dx);
    }
  }

  @Override
  public void close() {
    plans.close();
  }
}
