package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * Linear layers and their gradients: a product by cuBLASLt with bias and activation where it can
 * have them, and one more kernel for what it cannot.
 */
final class Linear implements AutoCloseable {
  private final Session session;
  private final Matmul matmul;
  private final PointwiseKernels pointwise;
  private final Scratch scratch;

  Linear(Session session, Products products, PointwiseKernels pointwise, Scratch scratch) {
    this.session = session;
    this.pointwise = pointwise;
    this.scratch = scratch;
    matmul = new Matmul(session, products);
  }

  /** {@code out = residual + gate ⊙ activation(x·Wᵀ + bias)}. */
  void linear(
      Tensor x, DeviceWeight weight, Epilogue epilogue, Tensor gate, Tensor residual, Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    long w = weight.matrix("linear").address();
    var activation = epilogue.activation();
    // The library adds C before the activation, one row for each.
    boolean addsResidual =
        residual != null
            && gate == null
            && activation == Activation.IDENTITY
            && residual.shape().rows() == out.shape().rows();
    boolean fits =
        gate == null
            && Matmul.fuses(activation)
            && isAligned(epilogue.bias())
            && (residual == null || addsResidual)
            && weight.in() > 0;
    if (fits && multiply(x, w, epilogue, residual, out)) {
      return;
    }
    if (residual == null) {
      product(x, w, weight.in(), out.address(), out.rowStride(), out);
      pointwise.finish(out, activation, gate, null, epilogue.bias(), out);
    } else {
      // In memory of its own, for the residual may be the result.
      long cols = out.shape().cols();
      long to = scratch.address(out.shape().rows() * cols * Float.BYTES);
      product(x, w, weight.in(), to, (int) cols, out);
      pointwise.finish(to, cols, activation, gate, residual, epilogue.bias(), out);
    }
  }

  /**
   * The library reads a bias in vectors, and its choice of algorithms does not ask where it lies.
   */
  private static boolean isAligned(Tensor bias) {
    return bias == null || bias.address() % MatmulShape.MOST_ALIGNMENT == 0;
  }

  private boolean multiply(Tensor x, long w, Epilogue epilogue, Tensor residual, Tensor out) {
    long bias = epilogue.bias() == null ? 0 : epilogue.bias().address();
    long c = residual == null ? 0 : residual.address();
    var shape =
        new MatmulShape(
            out.shape().rows(),
            out.shape().cols(),
            x.shape().cols(),
            true,
            x.rowStride(),
            residual == null ? 0 : residual.rowStride(),
            out.rowStride(),
            bias != 0,
            epilogue.activation(),
            MatmulShape.alignment(x.address()),
            residual == null ? 0 : MatmulShape.alignment(c),
            MatmulShape.alignment(out.address()));
    return matmul.multiply(shape, x.address(), w, bias, c, out.address());
  }

  /** {@code x·Wᵀ} alone, to an address; its extents are those of {@code out}. */
  private void product(Tensor x, long w, int in, long to, int stride, Tensor out) {
    bare(x, w, in, true, out.shape().rows(), out.shape().cols(), to, stride);
  }

  private void bare(
      Tensor x, long w, int k, boolean transposed, long rows, int n, long to, int stride) {
    if (k == 0) {
      session.zero(to, rows, (long) n * Float.BYTES, (long) stride * Float.BYTES);
      return;
    }
    var shape =
        new MatmulShape(
            rows,
            n,
            k,
            transposed,
            x.rowStride(),
            0,
            stride,
            false,
            Activation.IDENTITY,
            MatmulShape.alignment(x.address()),
            0,
            MatmulShape.alignment(to));
    if (!matmul.multiply(shape, x.address(), w, 0, 0, to)) {
      throw new CudaException(
          "cuBLASLt has no algorithm for a product of "
              + shape
              + ": install a newer cuBLAS, or compute on the CPU");
    }
  }

  /** {@code dx = dy·W}. */
  void gradient(Tensor dy, DeviceWeight weight, Tensor dx) {
    if (dx.shape().size() != 0) {
      long w = weight.matrix("linearGradient").address();
      bare(
          dy,
          w,
          weight.out(),
          false,
          dx.shape().rows(),
          dx.shape().cols(),
          dx.address(),
          dx.rowStride());
    }
  }

  @Override
  public void close() {
    matmul.close();
  }
}
