package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LinearTest {
  private static final int[] ROWS = {1, 2, 3, 5, 11, 12, 13, 25, 50};
  private static final int[] FEATURES = {1, 3, 8, 12, 15, 16, 17, 31, 32, 33, 72, 100, 384};
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  private static double tolerance(int in) {
    return 2e-6 * Math.sqrt(in);
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void productOfOddSizes(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int r = 0; r < ROWS.length; r++) {
        for (int i = 0; i < FEATURES.length; i++) {
          // Every number of rows meets every number of inputs, and each of those five outputs.
          product(oracle, backend, ROWS[r], FEATURES[i], FEATURES[(i + r * 5) % FEATURES.length]);
        }
      }
    }
  }

  /** More rows than a block, more inputs than a piece, more outputs than a group of panels. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void productOfSeveralBlocks(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      product(oracle, backend, 661, 401, 801);
    }
  }

  private static void product(Backend oracle, Backend backend, int rows, int in, int out) {
    var what = "linear of " + rows + " rows, " + in + " to " + out;
    try (var tensors = new TestTensors()) {
      var x = tensors.random(rows, in);
      var matrix = tensors.random(out, in);
      var epilogue = Epilogue.bias(tensors.random(out));
      try (var expectedWeight = oracle.pack(matrix);
          var weight = backend.pack(matrix)) {
        var expected = tensors.out(rows, out);
        oracle.linear(x, expectedWeight, epilogue, expected);
        var contiguous = tensors.out(rows, out);
        backend.linear(x, weight, epilogue, contiguous);
        assertClose(what, expected, contiguous, tolerance(in));
        var view = tensors.outView(rows, out);
        backend.linear(tensors.view(x), weight, epilogue, view);
        assertClose(what + " on views", expected, view, tolerance(in));
        tensors.assertGuards(what);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void epilogueWithGateAndResidual(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      int turn = 0;
      for (var activation : Activation.values()) {
        for (boolean bias : new boolean[] {false, true}) {
          for (int gates : new int[] {0, 1, 3, 39}) {
            for (int residuals : new int[] {0, 13, 39}) {
              int out = FEATURES[turn++ % FEATURES.length];
              epilogue(oracle, backend, activation, bias, gates, residuals, 33, out);
            }
          }
        }
      }
    }
  }

  /** 3 samples of 13 rows; {@code gates} and {@code residuals} are numbers of rows, 0 for none. */
  private static void epilogue(
      Backend oracle,
      Backend backend,
      Activation activation,
      boolean withBias,
      int gates,
      int residuals,
      int in,
      int out) {
    var what =
        "linear to %d with %s, bias %b, %d gates, %d residuals"
            .formatted(out, activation, withBias, gates, residuals);
    try (var tensors = new TestTensors()) {
      var x = tensors.random(3, 13, in);
      var matrix = tensors.random(out, in);
      var epilogue = new Epilogue(withBias ? tensors.random(out) : null, activation);
      var gate = gates == 0 ? null : tensors.random(gates, out);
      var residual = residuals == 0 ? null : tensors.random(residuals, out);
      try (var expectedWeight = oracle.pack(matrix);
          var weight = backend.pack(matrix)) {
        var expected = tensors.out(3, 13, out);
        oracle.linear(x, expectedWeight, epilogue, gate, residual, expected);
        var view = tensors.outView(3, 13, out);
        backend.linear(
            tensors.view(x),
            weight,
            epilogue,
            tensors.viewOrNull(gate),
            tensors.viewOrNull(residual),
            view);
        assertClose(what, expected, view, tolerance(in));
        if (residuals == 39) {
          var inPlace = tensors.view(residual);
          backend.linear(x, weight, epilogue, gate, inPlace, inPlace);
          assertClose(
              what + " in place", expected.reshape(inPlace.shape()), inPlace, tolerance(in));
        }
        tensors.assertGuards(what);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void packReadsEveryStorageTypeAndViews(Choice choice) {
    int in = 37;
    int out = 19;
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.random(7, in);
      var matrix = tensors.random(out, in);
      for (var dtype : new DType[] {DType.F32, DType.F16, DType.BF16}) {
        var stored = tensors.allocate(dtype, out, in);
        oracle.copy(matrix, stored);
        var rounded = tensors.out(out, in);
        oracle.copy(stored, rounded);
        try (var expectedWeight = oracle.pack(rounded);
            var weight = backend.pack(stored)) {
          var expected = tensors.out(7, out);
          oracle.linear(x, expectedWeight, Epilogue.NONE, expected);
          var actual = tensors.out(7, out);
          // The weight must not refer to the matrix that it was made from.
          stored.close();
          backend.linear(x, weight, Epilogue.NONE, actual);
          assertClose("linear by " + dtype, expected, actual, tolerance(in));
        }
      }
      try (var expectedWeight = oracle.pack(matrix);
          var weight = backend.pack(tensors.view(matrix))) {
        var expected = tensors.out(7, out);
        oracle.linear(x, expectedWeight, Epilogue.NONE, expected);
        var actual = tensors.out(7, out);
        backend.linear(x, weight, Epilogue.NONE, actual);
        assertClose("linear by a view", expected, actual, tolerance(in));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void noRowsAndNoInputs(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      try (var weight = backend.pack(tensors.random(5, 4))) {
        backend.linear(tensors.random(0, 4), weight, Epilogue.NONE, tensors.out(0, 5));
      }
      try (var weight = backend.pack(tensors.random(5, 0))) {
        var bias = tensors.random(5);
        var out = tensors.out(1, 5);
        backend.linear(tensors.random(1, 0), weight, Epilogue.bias(bias), out);
        assertClose("linear of no inputs", bias.reshape(out.shape()), out, 0);
      }
    }
  }
}
