package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/** The operators in bf16. */
final class BrainOperators implements AutoCloseable {
  private final BrainScratch[] scratch;
  private final BrainNorm[] norms;
  private final BrainLayerNorm layerNorm;
  private final PanelPacker packer;
  private final BrainGemm gemm;
  private final BrainAttention attention;
  private final BrainConvolution convolution;
  private final Windows windows = new Windows();
  private final GradientWindows gradients = new GradientWindows();

  BrainOperators(ThreadTeam team) {
    scratch = new BrainScratch[team.size()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new BrainScratch();
    }
    norms = new BrainNorm[team.size()];
    for (int i = 0; i < norms.length; i++) {
      norms[i] = new BrainNorm();
    }
    layerNorm = new BrainLayerNorm(team);
    packer = new PanelPacker(team, scratch);
    gemm = new BrainGemm(team, scratch);
    attention = new BrainAttention(team, scratch);
    convolution = new BrainConvolution(team, scratch);
  }

  /** One for each worker. */
  BrainNorm[] norms() {
    return norms;
  }

  BrainWeight pack(Tensor matrix) {
    return new BrainWeight(matrix, packer);
  }

  BrainKernel packKernel(Tensor kernel) {
    return new BrainKernel(kernel, packer);
  }

  void linear(Tensor x, BrainWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    gemm.linear(x, w, e, gate, residual, out);
  }

  void gradient(Tensor dy, BrainWeight w, Tensor dx) {
    gemm.gradient(dy, w, dx);
  }

  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    attention.attention(q, k, v, spec, out);
  }

  void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    layerNorm.layerNorm(x, gamma, beta, shift, scale, eps, out);
  }

  void conv2d(
      Tensor x, BrainKernel kernel, Conv2dSpec spec, Epilogue e, Tensor residual, Tensor out) {
    if (Convolution.isProduct(kernel, spec)) {
      gemm.linear(x, kernel.weight("conv2d"), e, null, residual, out);
    } else if (BrainConvolution.takes(kernel, spec)) {
      convolution.conv2d(x, kernel, spec, e, residual, out);
    } else {
      windows.set(x, kernel, spec, out);
      gemm.multiply("conv2d", windows, kernel.weight("conv2d"), e, residual, out);
    }
  }

  void gradient(Tensor dy, BrainKernel kernel, Conv2dSpec spec, Tensor dx) {
    gradients.set(dy, kernel, spec, dx);
    var transposed = kernel.transposed("conv2dGradient");
    gemm.multiply("conv2dGradient", gradients, transposed, Epilogue.NONE, null, dx);
  }

  @Override
  public void close() {
    layerNorm.close();
    gemm.close();
    convolution.close();
    for (var buffers : scratch) {
      buffers.close();
    }
    for (var norm : norms) {
      norm.close();
    }
  }
}
