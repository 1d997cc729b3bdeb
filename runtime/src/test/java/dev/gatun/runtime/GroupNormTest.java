package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GroupNormTest {
  /** Channels and groups. */
  private static final int[][] CHANNELS = {
    {1, 1}, {3, 1}, {3, 3}, {4, 2}, {6, 3}, {8, 1}, {31, 31}, {33, 11}, {64, 32}, {96, 32},
    {130, 26}
  };

  private static final int[][] MAPS = {{1, 1}, {5, 3}, {2, 9}, {7, 6}, {1, 14}};
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void everyForm(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      int turn = 0;
      for (int[] channels : CHANNELS) {
        for (var activation : Activation.values()) {
          for (boolean modulated : new boolean[] {false, true}) {
            int[] map = MAPS[turn % MAPS.length];
            int n = 1 + turn++ % 3;
            int[] dims = {n, map[0], map[1], channels[0]};
            form(oracle, backend, dims, channels[1], activation, modulated);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void tokensAndSingleRows(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      form(oracle, backend, new int[] {3, 17, 64}, 32, Activation.IDENTITY, true);
      form(oracle, backend, new int[] {2, 64}, 8, Activation.SILU, false);
      form(oracle, backend, new int[] {5, 130}, 13, Activation.SILU, true);
    }
  }

  /** As many positions as several chunks have that threads share, and a rest. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void mapsOfManyPositions(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      form(oracle, backend, new int[] {2, 61, 37, 33}, 11, Activation.SILU, true);
      form(oracle, backend, new int[] {1, 64, 64, 32}, 32, Activation.SILU, false);
    }
  }

  private static void form(
      Backend oracle,
      Backend backend,
      int[] dims,
      int groups,
      Activation activation,
      boolean modulated) {
    var what =
        "groupNorm of %s, %d groups, %s, modulated %b"
            .formatted(Shape.of(dims), groups, activation, modulated);
    try (var tensors = new TestTensors()) {
      int channels = dims[dims.length - 1];
      var x = tensors.random(dims);
      for (long i = 0; i < x.shape().size(); i++) {
        // Every channel has a mean and a spread of its own.
        long c = i % channels;
        x.setFloat(i, x.getFloat(i) * (1 + c % 3) + (c % 7 - 3));
      }
      var gamma = tensors.random(channels);
      var beta = tensors.random(channels);
      var modulation = tensors.random(dims[0], 2 * channels); // scale first, as in ADM
      var scale = modulated ? modulation.columns(0, channels) : null;
      var shift = modulated ? modulation.columns(channels, 2 * channels) : null;
      var expected = tensors.out(dims);
      oracle.groupNorm(x, groups, gamma, beta, shift, scale, 1e-3f, activation, expected);
      double tolerance = 1e-5;

      var contiguous = tensors.out(dims);
      backend.groupNorm(x, groups, gamma, beta, shift, scale, 1e-3f, activation, contiguous);
      assertClose(what, expected, contiguous, tolerance);

      var view = tensors.outView(dims);
      backend.groupNorm(
          tensors.view(x), groups, gamma, beta, shift, scale, 1e-3f, activation, view);
      assertClose(what + " on views", expected, view, tolerance);

      var inPlace = tensors.view(x);
      backend.groupNorm(inPlace, groups, gamma, beta, shift, scale, 1e-3f, activation, inPlace);
      assertClose(what + " in place", expected, inPlace, tolerance);

      backend.groupNorm(x, groups, gamma, beta, shift, scale, 1e-3f, activation, x);
      assertClose(what + " in place, contiguous", expected, x, tolerance);
      tensors.assertGuards(what);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void meanMuchLargerThanDeviation(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      // E[x²] - μ² would lose all digits of a variance of ⅓ beside a mean of 3000, and a mean in
      // f32 is wrong by a thousandth of the deviation.
      var x = tensors.random(2, 40, 45, 12);
      for (long i = 0; i < x.shape().size(); i++) {
        x.setFloat(i, 3000 + x.getFloat(i));
      }
      var gamma = tensors.random(12);
      var beta = tensors.random(12);
      var expected = tensors.out(2, 40, 45, 12);
      oracle.groupNorm(x, 3, gamma, beta, null, null, 1e-6f, Activation.IDENTITY, expected);
      var out = tensors.out(2, 40, 45, 12);
      backend.groupNorm(x, 3, gamma, beta, null, null, 1e-6f, Activation.IDENTITY, out);
      assertClose("groupNorm far from zero", expected, out, 1e-5);
    }
  }

  /** Channels of one group, and blocks of positions, whose means are far apart. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void partsOfDifferentMeans(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.random(1, 4000, 24);
      for (long i = 0; i < x.shape().size(); i++) {
        x.setFloat(i, x.getFloat(i) + 100 * (i % 24 % 4) - i / 24 / 500 * 50);
      }
      var gamma = tensors.random(24);
      var beta = tensors.random(24);
      var expected = tensors.out(1, 4000, 24);
      oracle.groupNorm(x, 6, gamma, beta, null, null, 1e-6f, Activation.IDENTITY, expected);
      var out = tensors.out(1, 4000, 24);
      backend.groupNorm(x, 6, gamma, beta, null, null, 1e-6f, Activation.IDENTITY, out);
      assertClose("groupNorm of unequal parts", expected, out, 2e-6);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void constantsGiveBeta(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.of(Shape.of(1, 1, 3), 2.5f, 2.5f, 2.5f);
      var beta = tensors.of(Shape.of(3), 1f, 2f, 3f);
      backend.groupNorm(x, 1, tensors.random(3), beta, null, null, 1e-6f, Activation.IDENTITY, x);
      assertClose("groupNorm of a constant", beta.reshape(x.shape()), x, 1e-6);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void nothingToNormalise(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var row = tensors.random(4);
      for (int[] dims : new int[][] {{0, 3, 4}, {2, 0, 4}, {0, 4}}) {
        backend.groupNorm(
            tensors.random(dims), 2, row, row, null, null, 0, Activation.SILU, tensors.out(dims));
      }
    }
  }
}
