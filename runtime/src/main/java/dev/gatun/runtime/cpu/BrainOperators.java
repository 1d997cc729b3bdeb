package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * The operators in bf16. Without tiles that is twice as fast as f32, and {@link Winograd}, which
 * spares three quarters of the multiplications, then does large maps in less time and more exactly:
 * of its factors only the kernel is rounded.
 */
final class BrainOperators implements AutoCloseable {
  /** Products in bf16 in the time of one in f32, on vectors. */
  private static final int VECTOR_SPEED = 2;

  private final BrainScratch[] scratch;
  private final BrainNorm[] norms;
  private final BrainLayerNorm layerNorm;
  private final PanelPacker packer;
  private final BrainGemm gemm;
  private final BrainAttention attention;
  private final BrainConvolution convolution;
  private final Winograd winograd;
  private final Windows windows = new Windows();
  private final GradientWindows gradients = new GradientWindows();

  BrainOperators(ThreadTeam team, Winograd winograd) {
    this.winograd = winograd;
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

  /** What computes here. */
  String description() {
    return BrainProduct.description()
        + (BrainProduct.onTiles() ? "" : " (3x3 convolutions of large maps in f32)");
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
    var weight = kernel.weight("conv2d");
    if (Convolution.isProduct(kernel, spec)) {
      gemm.linear(x, weight, e, null, residual, out);
    } else if (isLarge(kernel, spec, out)) {
      winograd.conv2d(x, kernel, spec, e, residual, out);
    } else if (BrainConvolution.takes(kernel, spec)) {
      convolution.conv2d(x, kernel, spec, e, residual, out);
    } else {
      windows.set(x, kernel, spec, out);
      gemm.multiply("conv2d", windows, weight, e, residual, out);
    }
  }

  /** Whether Winograd's algorithm takes less time; it reads the kernel in pairs of channels. */
  private static boolean isLarge(BrainKernel kernel, Conv2dSpec spec, Tensor out) {
    return !BrainProduct.onTiles()
        && kernel.in() % 2 == 0
        && Winograd.pays(kernel, spec, out.dim(1), out.dim(2), VECTOR_SPEED);
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
