package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Has the kernels compiled while the program is still reading its weights: until the optimising
 * compiler has seen a kernel, each vector is an object on the heap, and the first step of a sampler
 * would take as long as the thirty after it.
 *
 * <p>Every kernel is called many times on very little data, so that a method is compiled by its
 * number of calls, once, rather than inside its loop (on-stack replacement) and then once more. The
 * products come first: they take longest to compile and matter most.
 */
final class WarmUp implements Runnable {
  private static final AtomicBoolean STARTED = new AtomicBoolean();

  private static final int CALLS = 6000;

  private WarmUp() {}

  /** Starts the warm-up in the background, the first time in a JVM. */
  static void start() {
    if (STARTED.compareAndSet(false, true)) {
      Thread.ofPlatform().daemon().name("gatun-warm-up").start(new WarmUp());
    }
  }

  @Override
  public void run() {
    multiply();
    operators();
  }

  private static void multiply() {
    int k = 2;
    float[] a = new float[MicroKernel.ROWS * MicroKernel.STRIDE];
    float[] c = new float[MicroKernel.ROWS * MicroKernel.WIDTH];
    try (var b = Tensor.allocate(DType.F32, Shape.of(k, MicroKernel.WIDTH))) {
      var panel = b.segment();
      for (int i = 0; i < CALLS; i++) {
        MicroKernel.multiply(a, 0, panel, 0, k, c, 0, MicroKernel.WIDTH, c, 0, MicroKernel.ROWS);
        if (i % 4 == 0) {
          MicroKernel.multiply(a, 0, panel, 0, k, c, 0, MicroKernel.WIDTH, c, 0, 5);
        }
      }
    }
  }

  /** One thread and a few numbers are enough: it is the same code that the team runs. */
  private static void operators() {
    var team = new ThreadTeam(1);
    var scratch = new Scratch[] {new Scratch()};
    var gemm = new Gemm(team, scratch);
    var attention = new FlashAttention(team, scratch);
    var layerNorm = new LayerNorm(team, scratch);
    var elementwise = new Elementwise(team, scratch);
    int width = MicroKernel.WIDTH;
    try (var x = Tensor.allocate(DType.F32, Shape.of(1, 2, width));
        var y = Tensor.allocate(DType.F32, Shape.of(1, 2, width));
        var row = Tensor.allocate(DType.F32, Shape.of(1, width));
        var bias = Tensor.allocate(DType.F32, Shape.of(width));
        var matrix = Tensor.allocate(DType.F32, Shape.of(width, width));
        var weight = new PackedWeight(matrix)) {
      var plain = new Epilogue(bias, Activation.IDENTITY);
      var gelu = new Epilogue(bias, Activation.GELU_TANH);
      var spec = AttentionSpec.of(1, width);
      for (int i = 0; i < CALLS / 4; i++) {
        gemm.linear(x, weight, gelu, null, null, y);
        gemm.linear(x, weight, plain, row, x, y);
        layerNorm.layerNorm(x, null, null, row, row, 1e-6f, y);
        attention.attention(x, x, x, spec, y);
        elementwise.combine(1, x, 1, y, y);
      }
    } finally {
      scratch[0].close();
    }
  }
}
