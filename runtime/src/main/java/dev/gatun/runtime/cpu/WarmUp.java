package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.reference.HostMovement;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import jdk.incubator.vector.FloatVector;

/**
 * Has the kernels compiled while the program is still reading its weights: until the optimising
 * compiler has seen a kernel, each vector is an object on the heap, and the first step of a sampler
 * would take as long as the thirty after it.
 *
 * <p>The loops must be as long as in earnest: a compiler that has only ever seen a loop turn twice
 * leaves the checks inside it, for the rest of the program's life. But not longer, so that a method
 * is compiled for its number of calls, once, rather than inside its loop (on-stack replacement) and
 * then once more. The products come first: they take longest to compile and matter most.
 */
final class WarmUp implements Runnable {
  /** Counted down when the kernels are ready; started with the first backend of the JVM. */
  private static final CountDownLatch DONE = new CountDownLatch(1);

  private static final AtomicBoolean STARTED = new AtomicBoolean();

  /** Beyond this speed the product is compiled: before, it does not reach a tenth of it. */
  private static final double COMPILED_FLOPS = 8e9;

  /** How long to wait for the compiler at the most, in nanoseconds. */
  private static final long PATIENCE = 2_000_000_000L;

  /** Products between two looks at the clock. */
  private static final int PRODUCTS = 20;

  /** Rounds of all operators: after fewer, the first steps of a sampler still meet slow code. */
  private static final int OPERATORS = 400;

  /** Rounds of loads and stores: a few hundred are what the first compiler waits for. */
  private static final int LOADS = 400;

  /** Turns of a loop. */
  private static final int DEPTH = 32;

  private final Precision precision;

  private WarmUp(Precision precision) {
    this.precision = precision;
  }

  /** Starts the warm-up in the background, the first time in a JVM. */
  static void start(Precision precision) {
    if (STARTED.compareAndSet(false, true)) {
      Thread.ofPlatform().daemon().name("gatun-warm-up").start(new WarmUp(precision));
    }
  }

  /**
   * Waits until the kernels are ready. To begin without them would be slower: the first step would
   * compete with the compiler for the processors, and get hardly anywhere.
   */
  static void await() {
    boolean interrupted = false;
    while (DONE.getCount() > 0) {
      try {
        DONE.await();
      } catch (InterruptedException e) {
        interrupted = true; // for whoever looks between the steps
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void run() {
    try {
      // Assembled products need no compiler, and this is where they are assembled.
      if (!FloatTiles.USED) {
        products();
      }
      operators();
      if (precision == Precision.I8 && ByteProduct.unit().isNarrow()) {
        bytes();
      }
      if (!FloatTiles.USED) {
        TileCheck.run();
      }
    } finally {
      DONE.countDown();
    }
  }

  private static void products() {
    float[] a = new float[MicroKernel.ROWS * MicroKernel.STRIDE];
    float[] c = new float[MicroKernel.ROWS * MicroKernel.WIDTH];
    float[] right = new float[DEPTH * MicroKernel.WIDTH];
    try (var b = Tensor.allocate(DType.F32, Shape.of(DEPTH, MicroKernel.WIDTH))) {
      var panel = b.segment();
      for (int i = 0; i < LOADS; i++) {
        load(panel, c);
      }
      long deadline = System.nanoTime() + PATIENCE;
      int large = MicroKernel.ROWS;
      int rows = large + 4 + StreamKernel.ROWS;
      double flops = 2.0 * PRODUCTS * rows * MicroKernel.WIDTH * DEPTH;
      for (long begin = System.nanoTime(), end; ; begin = end) {
        for (int i = 0; i < PRODUCTS; i++) {
          MicroKernel.multiply(a, 0, right, 0, DEPTH, c, 0, 0, c, 0, large);
          MicroKernel.multiply(a, 0, right, 0, DEPTH, c, 0, 0, c, 0, 4);
          StreamKernel.multiply(a, 0, panel, 0, DEPTH, c, 0, 0, c, 0, StreamKernel.ROWS);
        }
        end = System.nanoTime();
        if (flops / (end - begin) * 1e9 > COMPILED_FLOPS || end > deadline) {
          break;
        }
      }
    }
  }

  /**
   * Loads and stores as the kernels do them. What kind of segment that is, the compiler learns from
   * the library's own methods, which must have been called often enough before it comes to a
   * kernel; otherwise it leaves calls in there.
   */
  private static void load(MemorySegment panel, float[] c) {
    for (int i = 0; i < DEPTH; i++) {
      long offset = (long) i * MicroKernel.WIDTH * Float.BYTES;
      FloatVector.fromMemorySegment(Lanes.F32, panel, offset, Lanes.LE).intoArray(c, 0);
      FloatVector.fromArray(Lanes.F32, c, 0).intoMemorySegment(panel, offset, Lanes.LE);
    }
  }

  /** One thread is enough: it is the same code that the team runs. */
  private static void operators() {
    var team = new ThreadTeam(1);
    var scratch = new Scratch[] {new Scratch()};
    var gemm = new Gemm(team, scratch);
    var attention = new FlashAttention(team, scratch);
    var layerNorm = new LayerNorm(team, scratch);
    var elementwise = new Elementwise(team, scratch);
    int rows = 2 * MicroKernel.ROWS + 5;
    int width = 2 * MicroKernel.WIDTH;
    try (var x = Tensor.allocate(DType.F32, Shape.of(1, rows, width));
        var y = Tensor.allocate(DType.F32, Shape.of(1, rows, width));
        var image = Tensor.allocate(DType.F32, Shape.of(1, 8, 8, 4));
        var tokens = Tensor.allocate(DType.F32, Shape.of(1, 16, 16));
        var row = Tensor.allocate(DType.F32, Shape.of(1, width));
        var bias = Tensor.allocate(DType.F32, Shape.of(width));
        var matrix = Tensor.allocate(DType.F32, Shape.of(width, width));
        var weight = new PackedWeight(matrix)) {
      var plain = new Epilogue(bias, Activation.IDENTITY);
      var gelu = new Epilogue(bias, Activation.GELU_TANH);
      var spec = AttentionSpec.of(2, width / 2);
      for (int i = 0; i < OPERATORS; i++) {
        gemm.linear(x, weight, gelu, null, null, y);
        gemm.linear(x, weight, plain, row, x, y);
        layerNorm.layerNorm(x, null, null, row, row, 1e-6f, y);
        attention.attention(x, x, x, spec, y);
        HostMovement.patchify(image, 2, tokens);
        HostMovement.unpatchify(tokens, 2, image);
        HostMovement.copy(image.columns(0, 2), image.columns(2, 4));
        elementwise.combine(1, image.columns(0, 2), 1, image.columns(2, 4), image.columns(0, 2));
        elementwise.clamp(image, -1, 1, image);
      }
    }
  }

  /** What is not machine code of a product of bytes. */
  private static void bytes() {
    var gemm = new ByteGemm(new ThreadTeam(1), new Scratch[] {new Scratch()}, ByteProduct.unit());
    int width = 2 * ByteWeight.DEPTH;
    int rows = 2 * DEPTH;
    try (gemm;
        var x = Tensor.allocate(DType.F32, Shape.of(rows, width));
        var y = Tensor.allocate(DType.F32, Shape.of(rows, width));
        var row = Tensor.allocate(DType.F32, Shape.of(1, width));
        var bias = Tensor.allocate(DType.F32, Shape.of(width));
        var matrix = Tensor.allocate(DType.F32, Shape.of(width, width));
        var weight = gemm.pack(matrix)) {
      var plain = new Epilogue(bias, Activation.IDENTITY);
      var gelu = new Epilogue(bias, Activation.GELU_TANH);
      for (int i = 0; i < OPERATORS; i++) {
        gemm.linear(x, weight, gelu, null, null, y);
        gemm.linear(x, weight, plain, row, x, y);
      }
    }
  }
}
