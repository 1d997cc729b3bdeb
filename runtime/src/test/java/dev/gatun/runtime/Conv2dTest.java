package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class Conv2dTest {
  private static final int[] CHANNELS = {1, 3, 4, 6, 8, 31, 33, 64, 96, 130};
  private static final int[][] MAPS = {{1, 1}, {5, 3}, {2, 9}, {6, 6}, {3, 14}};
  private static final int[][] KERNELS = {{1, 1}, {3, 3}, {2, 2}, {5, 5}, {1, 3}, {3, 2}};

  /** The padding of the autoencoder's downsampling: right and bottom only. */
  private static final Conv2dSpec DOWN = new Conv2dSpec(2, 0, 0, 1, 1);

  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  private static double tolerance(ConvKernel kernel) {
    return 2e-6 * Math.sqrt((double) kernel.in() * kernel.height() * kernel.width());
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void odd(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      int turn = 0;
      for (int in : CHANNELS) {
        for (int[] kernel : KERNELS) {
          for (int stride = 1; stride <= 2; stride++) {
            int[] map = MAPS[turn % MAPS.length];
            int out = CHANNELS[(turn * 7 + 3) % CHANNELS.length];
            int n = 1 + turn++ % 3;
            convolution(oracle, backend, n, map, in, out, kernel, large(stride, kernel));
            if (map[0] >= kernel[0] && map[1] >= kernel[1]) {
              convolution(oracle, backend, n, map, in, out, kernel, Conv2dSpec.padded(stride, 0));
            }
          }
        }
      }
    }
  }

  /** Padded by a different number on every side, some of it as wide as the kernel and beyond. */
  private static Conv2dSpec large(int stride, int[] kernel) {
    return new Conv2dSpec(stride, kernel[0] / 2, kernel[1], kernel[0] - 1, kernel[1] + 1);
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void ofTheNetworks(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      int[] three = {3, 3};
      int[] one = {1, 1};
      convolution(oracle, backend, 1, new int[] {8, 8}, 3, 32, three, Conv2dSpec.same(3));
      convolution(oracle, backend, 2, new int[] {8, 6}, 130, 64, three, Conv2dSpec.same(3));
      convolution(oracle, backend, 1, new int[] {6, 8}, 64, 3, three, Conv2dSpec.same(3));
      convolution(oracle, backend, 1, new int[] {16, 16}, 64, 96, three, DOWN);
      convolution(oracle, backend, 2, new int[] {7, 5}, 33, 31, three, DOWN);
      convolution(oracle, backend, 2, new int[] {8, 8}, 96, 64, three, Conv2dSpec.padded(2, 1));
      convolution(oracle, backend, 2, new int[] {8, 8}, 96, 130, one, Conv2dSpec.same(1));
      convolution(oracle, backend, 3, new int[] {1, 1}, 96, 96, three, Conv2dSpec.same(3));
      // More rows than one block, and a window of more than one piece.
      convolution(oracle, backend, 1, new int[] {17, 19}, 64, 33, three, Conv2dSpec.same(3));
    }
  }

  /** Maps that are large enough for Winograd's algorithm, with incomplete tiles at their edges. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void ofLargerMaps(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      int[] three = {3, 3};
      int[][] maps = {{12, 12}, {13, 15}, {16, 11}, {10, 31}, {37, 9}};
      int turn = 0;
      for (int in : new int[] {8, 9, 31, 64, 130, 192, 400}) {
        for (int out : new int[] {1, 3, 33, 64}) {
          int[] map = maps[turn % maps.length];
          int n = 1 + turn % 2;
          var spec =
              switch (turn++ % 3) {
                case 0 -> Conv2dSpec.same(3);
                case 1 -> Conv2dSpec.padded(1, 0);
                default -> large(1, three);
              };
          convolution(oracle, backend, n, map, in, out, three, spec);
        }
      }
      // More tiles than one block.
      convolution(oracle, backend, 1, new int[] {47, 42}, 16, 20, three, Conv2dSpec.same(3));
    }
  }

  /**
   * Winograd's algorithm adds and subtracts numbers that are larger than the result. With the usual
   * points it loses two bits or more; with ours about one, compared with a direct sum.
   */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void losesAboutOneBitByWinograd(Choice choice) {
    errorOfWinograd(choice, 384, 2);
    errorOfWinograd(choice, 16, 3);
  }

  private static void errorOfWinograd(Choice choice, int channels, double most) {
    int side = 12;
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.random(1, side, side, channels);
      var stored = tensors.random(2, channels, 3, 3);
      var out = tensors.out(1, side - 2, side - 2, 2);
      try (var kernel = backend.packKernel(stored)) {
        backend.conv2d(x, kernel, Conv2dSpec.padded(1, 0), Epilogue.NONE, out);
      }
      float[] image = x.toFloats();
      float[] taps = stored.toFloats();
      double error = 0;
      double directError = 0;
      double norm = 0;
      for (int at = 0; at < out.shape().size(); at++) {
        int o = at % 2;
        int column = at / 2 % (side - 2);
        int row = at / 2 / (side - 2);
        double exact = 0;
        float direct = 0;
        for (int tap = 0; tap < 9; tap++) {
          int from = ((row + tap / 3) * side + column + tap % 3) * channels;
          for (int c = 0; c < channels; c++) {
            float w = taps[(o * channels + c) * 9 + tap];
            exact += (double) image[from + c] * w;
            direct = Math.fma(image[from + c], w, direct);
          }
        }
        error += Math.pow(out.getFloat(at) - exact, 2);
        directError += Math.pow(direct - exact, 2);
        norm += exact * exact;
      }
      var what =
          "root mean square error %.2g of the result of %d channels, of a direct sum %.2g"
              .formatted(Math.sqrt(error / norm), channels, Math.sqrt(directError / norm));
      assertTrue(Math.sqrt(error) < most * Math.sqrt(directError), what);
    }
  }

  private static void convolution(
      Backend oracle,
      Backend backend,
      int n,
      int[] map,
      int in,
      int out,
      int[] window,
      Conv2dSpec spec) {
    var what =
        "conv2d of %dx%dx%dx%d to %d, kernel %dx%d, %s"
            .formatted(n, map[0], map[1], in, out, window[0], window[1], spec);
    try (var tensors = new TestTensors()) {
      var x = tensors.random(n, map[0], map[1], in);
      var stored = tensors.random(out, in, window[0], window[1]);
      var epilogue = Epilogue.bias(tensors.random(out));
      int height = spec.outHeight(map[0], window[0]);
      int width = spec.outWidth(map[1], window[1]);
      try (var expectedKernel = oracle.packKernel(stored);
          var kernel = backend.packKernel(stored)) {
        var expected = tensors.out(n, height, width, out);
        oracle.conv2d(x, expectedKernel, spec, epilogue, expected);
        var contiguous = tensors.out(n, height, width, out);
        backend.conv2d(x, kernel, spec, epilogue, contiguous);
        assertClose(what, expected, contiguous, tolerance(kernel));
        var view = tensors.outView(n, height, width, out);
        backend.conv2d(tensors.view(x), kernel, spec, epilogue, view);
        // Gathered from views, the windows are the same.
        assertSameBits(what + " on views", contiguous, view);
        tensors.assertGuards(what);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void epilogueWithResidual(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      int turn = 0;
      for (var activation : Activation.values()) {
        for (boolean bias : new boolean[] {false, true}) {
          for (int size : new int[] {1, 3}) {
            int out = CHANNELS[turn++ % CHANNELS.length];
            epilogue(oracle, backend, activation, bias, new int[] {5, 7, 6}, size, out);
          }
          epilogue(oracle, backend, activation, bias, new int[] {13, 11, 8}, 3, 31 + turn);
        }
      }
    }
  }

  private static void epilogue(
      Backend oracle,
      Backend backend,
      Activation activation,
      boolean bias,
      int[] map,
      int size,
      int out) {
    var what =
        "conv2d %dx%d of %s to %d with %s, bias %b"
            .formatted(size, size, Shape.of(map), out, activation, bias);
    int height = map[0];
    int width = map[1];
    try (var tensors = new TestTensors()) {
      var x = tensors.random(2, height, width, map[2]);
      var stored = tensors.random(out, map[2], size, size);
      var epilogue = new Epilogue(bias ? tensors.random(out) : null, activation);
      var spec = Conv2dSpec.same(size);
      var residual = tensors.random(2, height, width, out);
      try (var expectedKernel = oracle.packKernel(stored);
          var kernel = backend.packKernel(stored)) {
        var expected = tensors.out(2, height, width, out);
        oracle.conv2d(x, expectedKernel, spec, epilogue, residual, expected);
        var view = tensors.outView(2, height, width, out);
        backend.conv2d(tensors.view(x), kernel, spec, epilogue, tensors.view(residual), view);
        assertClose(what, expected, view, tolerance(kernel));
        var inPlace = tensors.view(residual);
        backend.conv2d(x, kernel, spec, epilogue, inPlace, inPlace);
        assertClose(what + " in place", expected, inPlace, tolerance(kernel));
        backend.conv2d(x, kernel, spec, epilogue, residual, residual);
        assertClose(what + " in place, contiguous", expected, residual, tolerance(kernel));
        tensors.assertGuards(what);
      }
    }
  }

  /** A skip connection reads and writes columns of one map. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void fromSomeColumnsToOthersOfOneMap(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors();
        var kernel = backend.packKernel(tensors.random(33, 8, 3, 3))) {
      var map = tensors.random(2, 6, 5, 41);
      var left = map.columns(0, 8);
      var x = tensors.of(left.shape(), left.toFloats());
      var alone = tensors.out(2, 6, 5, 33);
      backend.conv2d(x, kernel, Conv2dSpec.same(3), Epilogue.NONE, alone);
      backend.conv2d(left, kernel, Conv2dSpec.same(3), Epilogue.NONE, map.columns(8, 41));
      assertSameBits("conv2d within a map", alone, map.columns(8, 41));
      assertSameBits("its operand", x, left);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void aKernelOfOnePositionIsALinearLayer(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.random(2, 5, 5, 33);
      var matrix = tensors.random(70, 33);
      try (var weight = backend.pack(matrix);
          var kernel = backend.packKernel(matrix.reshape(Shape.of(70, 33, 1, 1)))) {
        var linear = tensors.out(2, 5, 5, 70);
        backend.linear(x, weight, Epilogue.NONE, linear);
        var conv = tensors.out(2, 5, 5, 70);
        backend.conv2d(x, kernel, Conv2dSpec.same(1), Epilogue.NONE, conv);
        assertSameBits("conv2d by 1x1", linear, conv);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void packReadsEveryStorageTypeAndViews(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.random(1, 4, 5, 7);
      var stored = tensors.random(19, 7, 3, 3);
      for (var dtype : new DType[] {DType.F32, DType.F16, DType.BF16}) {
        var source = tensors.allocate(dtype, 19, 7, 3, 3);
        oracle.copy(stored, source);
        var rounded = tensors.out(19, 7, 3, 3);
        oracle.copy(source, rounded);
        try (var expectedKernel = oracle.packKernel(rounded);
            var kernel = backend.packKernel(source);
            var fromView = backend.packKernel(tensors.view(rounded))) {
          var expected = tensors.out(1, 4, 5, 19);
          oracle.conv2d(x, expectedKernel, Conv2dSpec.same(3), Epilogue.NONE, expected);
          // The kernel must not refer to the tensor that it was made from.
          source.close();
          var actual = tensors.out(1, 4, 5, 19);
          backend.conv2d(x, kernel, Conv2dSpec.same(3), Epilogue.NONE, actual);
          assertClose("conv2d by " + dtype, expected, actual, tolerance(kernel));
          var again = tensors.out(1, 4, 5, 19);
          backend.conv2d(x, fromView, Conv2dSpec.same(3), Epilogue.NONE, again);
          assertSameBits("conv2d by a view", actual, again);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void noSamplesAndNoChannels(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      try (var kernel = backend.packKernel(tensors.random(5, 4, 3, 3))) {
        var x = tensors.random(0, 3, 3, 4);
        backend.conv2d(x, kernel, Conv2dSpec.same(3), Epilogue.NONE, tensors.out(0, 3, 3, 5));
      }
      for (int size : new int[] {1, 3}) {
        try (var kernel = backend.packKernel(tensors.random(5, 0, size, size))) {
          var bias = tensors.random(5);
          var out = tensors.out(1, 1, 1, 5);
          var x = tensors.random(1, 1, 1, 0);
          backend.conv2d(x, kernel, Conv2dSpec.same(size), Epilogue.bias(bias), out);
          assertClose("conv2d of no channels", bias.reshape(out.shape()), out, 0);
        }
      }
    }
  }
}
