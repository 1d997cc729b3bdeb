package dev.gatun.runtime.cuda;

import java.util.ArrayList;
import java.util.List;

/** Everything that computes in a session; made together, and closed in the opposite order. */
final class CudaOperators {
  private final List<AutoCloseable> owned = new ArrayList<>();
  private final Transfer transfer;
  private final PointwiseKernels pointwise;
  private final MovementKernels movement;
  private final ResamplingKernels resampling;
  private final NormKernels norm;
  private final AttentionKernels attentionKernels;
  private final Linear linear;
  private final Convolution convolution;
  private final Attention attention;

  CudaOperators(Session session, Products products) {
    try {
      session.enter();
      var gpu = session.gpu();
      var compiler = new KernelCompiler(10 * gpu.major() + gpu.minor());
      var kernels = own(new Kernels(session, compiler, KernelCache.ofUser()));
      var launcher = own(new Launcher(session.stream().handle()));
      var scratch = own(new Scratch(session));
      pointwise = new PointwiseKernels(kernels, launcher);
      movement = new MovementKernels(kernels, launcher);
      resampling = new ResamplingKernels(kernels, launcher, scratch);
      norm = new NormKernels(kernels, launcher, scratch);
      attentionKernels = new AttentionKernels(kernels, launcher, scratch);
      var convolutionKernels = new ConvolutionKernels(kernels, launcher);
      transfer = own(new Transfer(session, movement, scratch));
      linear = own(new Linear(session, products, pointwise, scratch));
      var dnn = own(new Dnn(session.stream()));
      convolution =
          own(new Convolution(session, dnn, products, convolutionKernels, pointwise, scratch));
      attention = own(new Attention(session, dnn, products, attentionKernels, movement, scratch));
    } catch (RuntimeException | Error e) {
      closeOwned();
      throw e;
    }
  }

  private <T extends AutoCloseable> T own(T part) {
    owned.add(part);
    return part;
  }

  Transfer transfer() {
    return transfer;
  }

  PointwiseKernels pointwise() {
    return pointwise;
  }

  MovementKernels movement() {
    return movement;
  }

  ResamplingKernels resampling() {
    return resampling;
  }

  NormKernels norm() {
    return norm;
  }

  AttentionKernels attentionKernels() {
    return attentionKernels;
  }

  Linear linear() {
    return linear;
  }

  Convolution convolution() {
    return convolution;
  }

  Attention attention() {
    return attention;
  }

  /** Waits for what is running, and frees it all; what fails goes to the log. */
  void close(Session session) {
    Driver.closing(
        () -> {
          session.enter();
          session.stream().synchronize();
        });
    closeOwned();
  }

  private void closeOwned() {
    for (var part : owned.reversed()) {
      try {
        part.close();
      } catch (Exception e) {
        Driver.warn(e);
      }
    }
    owned.clear();
  }
}
