package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Convolution in bf16: what the oracle gives for operands that are rounded to bf16 before. Without
 * tiles, f32 takes large maps as they are.
 */
class BrainConvolutionTest {
  private static final double TOLERANCE = 3e-6;

  @BeforeEach
  void available() {
    BrainTest.assumeAvailable();
  }

  /** Channels in whole blocks, so that the tiles are read from the map; then others. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 32, 1",
    "1, 5, 7, 32, 32",
    "2, 8, 8, 64, 33",
    "3, 16, 16, 32, 40",
    "1, 3, 70, 96, 64",
    "1, 40, 33, 32, 5",
    "1, 64, 65, 32, 96",
    "2, 18, 22, 130, 33",
    "1, 18, 18, 33, 8",
    "2, 3, 2, 1056, 31",
    "2, 5, 7, 3, 40",
    "1, 9, 8, 33, 3",
    "1, 4, 4, 640, 8",
    "1, 6, 5, 70, 33"
  })
  void same(int samples, int height, int width, int in, int out) {
    compare(samples, height, width, in, out, 3, 3, Conv2dSpec.same(3));
  }

  /** Any kernel, stride and padding. */
  @Test
  void shapes() {
    for (int in : new int[] {32, 20}) {
      compare(2, 9, 8, in, 10, 1, 1, Conv2dSpec.padded(1, 0));
      compare(2, 9, 8, in, 10, 1, 1, Conv2dSpec.padded(1, 2));
      compare(2, 9, 8, in, 10, 1, 1, Conv2dSpec.padded(2, 0));
      compare(2, 9, 8, in, 10, 3, 3, Conv2dSpec.padded(2, 1));
      compare(2, 9, 8, in, 10, 3, 3, new Conv2dSpec(2, 0, 0, 1, 1));
      compare(2, 9, 8, in, 10, 3, 3, new Conv2dSpec(1, 0, 0, 0, 0));
      compare(2, 9, 8, in, 10, 3, 3, new Conv2dSpec(1, 2, 0, 1, 2));
      compare(2, 9, 8, in, 10, 3, 3, new Conv2dSpec(1, 0, 2, 3, 1));
      compare(2, 9, 8, in, 10, 3, 3, new Conv2dSpec(1, 3, 4, 5, 3));
      compare(2, 9, 8, in, 10, 2, 5, new Conv2dSpec(1, 1, 2, 0, 4));
      compare(1, 9, 8, in, 10, 9, 8, Conv2dSpec.padded(1, 0));
    }
  }

  /** Whether Winograd's algorithm computes, of whose factors only the kernel is rounded. */
  private static boolean inF32(Backend backend, ConvKernel kernel, Conv2dSpec spec, Tensor out) {
    return !BrainTest.onTiles(backend)
        && kernel.height() == 3
        && kernel.width() == 3
        && kernel.in() % 2 == 0
        && spec.stride() == 1
        && Math.min(out.dim(1), out.dim(2)) >= 16;
  }

  private static void compare(
      int samples,
      int height,
      int width,
      int in,
      int out,
      int kernelHeight,
      int kernelWidth,
      Conv2dSpec spec) {
    var what = "%d x %dx%d, %d to %d, %s".formatted(samples, height, width, in, out, spec);
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2);
        var tensors = new TestTensors()) {
      var x = tensors.random(samples, height, width, in);
      var kernel = tensors.random(out, in, kernelHeight, kernelWidth);
      int outHeight = spec.outHeight(height, kernelHeight);
      int outWidth = spec.outWidth(width, kernelWidth);
      var residual = tensors.random(samples, outHeight, outWidth, out);
      var epilogue = new Epilogue(tensors.random(out), Activation.SILU);
      try (var exact = oracle.packKernel(BrainTest.rounded(tensors, oracle, kernel));
          var packed = backend.packKernel(kernel)) {
        var expected = tensors.out(samples, outHeight, outWidth, out);
        boolean asItIs = inF32(backend, packed, spec, expected);
        var taken = asItIs ? x : BrainTest.rounded(tensors, oracle, x);
        oracle.conv2d(taken, exact, spec, epilogue, residual, expected);
        var found = tensors.outView(samples, outHeight, outWidth, out);
        backend.conv2d(tensors.view(x), packed, spec, epilogue, tensors.view(residual), found);
        assertClose(what, expected, found, TOLERANCE);
        oracle.conv2d(taken, exact, spec, Epilogue.NONE, expected);
        backend.conv2d(x, packed, spec, Epilogue.NONE, found);
        assertClose(what + " alone", expected, found, TOLERANCE);
        tensors.assertGuards(what);
        gradient(what, tensors, oracle, backend, exact, packed, spec, expected, x.shape());
      }
    }
  }

  private static void gradient(
      String what,
      TestTensors tensors,
      Backend oracle,
      Backend backend,
      ConvKernel exact,
      ConvKernel packed,
      Conv2dSpec spec,
      Tensor result,
      Shape shape) {
    var dy = tensors.random(result.shape().dims());
    var expected = tensors.out(shape.dims());
    oracle.conv2dGradient(BrainTest.rounded(tensors, oracle, dy), exact, spec, expected);
    var found = tensors.outView(shape.dims());
    backend.conv2dGradient(dy, packed, spec, found);
    assertClose(what + " gradient", expected, found, TOLERANCE);
    tensors.assertGuards(what + " gradient");
  }

  /** A map without a row or a column, seen through its padding. */
  @Test
  void emptyMaps() {
    for (int in : new int[] {32, 20}) {
      compare(1, 1, 0, in, 5, 2, 2, Conv2dSpec.padded(1, 1));
      compare(2, 3, 0, in, 40, 3, 3, Conv2dSpec.padded(1, 2));
      compare(2, 0, 3, in, 40, 3, 3, Conv2dSpec.padded(1, 2));
    }
  }

  /** Few output channels, so that lines are shared out. */
  @Test
  void fewPanels() {
    compare(1, 64, 64, 64, 3, 3, 3, Conv2dSpec.same(3));
    compare(4, 8, 8, 32, 3, 3, 3, Conv2dSpec.same(3));
  }

  /** A sample has the same bits for any number of threads and samples. */
  @ParameterizedTest
  @CsvSource({"17, 19", "26, 31"})
  void bits(int height, int width) {
    try (var tensors = new TestTensors();
        var one = BrainTest.open(1);
        var two = BrainTest.open(2)) {
      var x = tensors.random(3, height, width, 64);
      try (var kernel = one.packKernel(tensors.random(70, 64, 3, 3))) {
        var all = tensors.out(3, height, width, 70);
        one.conv2d(x, kernel, Conv2dSpec.same(3), Epilogue.NONE, all);
        var parallel = tensors.out(3, height, width, 70);
        two.conv2d(x, kernel, Conv2dSpec.same(3), Epilogue.NONE, parallel);
        assertSameBits("two threads", all, parallel);
        var alone = tensors.out(1, height, width, 70);
        two.conv2d(x.slice(1, 2), kernel, Conv2dSpec.same(3), Epilogue.NONE, alone);
        assertSameBits("a sample", all.slice(1, 2), alone);
      }
    }
  }
}
