package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LayerNormTest {
  private static final int[] ROWS = {1, 2, 3, 5, 11, 12, 13, 25, 50};
  private static final int[] COLUMNS = {1, 3, 8, 12, 15, 16, 17, 31, 32, 33, 72, 100, 384};
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void everyForm(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      int turn = 0;
      for (int cols : COLUMNS) {
        for (boolean affine : new boolean[] {false, true}) {
          for (boolean modulated : new boolean[] {false, true}) {
            int rows = ROWS[turn++ % ROWS.length];
            form(oracle, backend, rows, cols, affine, modulated);
          }
        }
      }
    }
  }

  /** 2 samples of {@code rows} rows. */
  private static void form(
      Backend oracle, Backend backend, int rows, int cols, boolean affine, boolean modulated) {
    var what =
        "layerNorm of 2x%d rows of %d, affine %b, modulated %b"
            .formatted(rows, cols, affine, modulated);
    try (var tensors = new TestTensors()) {
      var x = tensors.random(2, rows, cols);
      var gamma = affine ? tensors.random(cols) : null;
      var beta = affine ? tensors.random(cols) : null;
      // As in DiT: chunks of one matrix of modulations.
      var modulation = tensors.random(2, 3 * cols);
      var shift = modulated ? modulation.columns(0, cols) : null;
      var scale = modulated ? modulation.columns(cols, 2 * cols) : null;
      var expected = tensors.out(2, rows, cols);
      oracle.layerNorm(x, gamma, beta, copy(tensors, shift), copy(tensors, scale), 1e-6f, expected);
      double tolerance = 1e-5 + 2e-6 * Math.sqrt(cols);

      var view = tensors.outView(2, rows, cols);
      backend.layerNorm(tensors.view(x), gamma, beta, shift, scale, 1e-6f, view);
      assertClose(what, expected, view, tolerance);

      var inPlace = tensors.view(x);
      backend.layerNorm(inPlace, gamma, beta, shift, scale, 1e-6f, inPlace);
      assertClose(what + " in place", expected, inPlace, tolerance);

      backend.layerNorm(x, gamma, beta, shift, scale, 1e-6f, x);
      assertClose(what + " in place, contiguous", expected, x, tolerance);
      tensors.assertGuards(what);
    }
  }

  private static Tensor copy(TestTensors tensors, Tensor of) {
    return of == null ? null : tensors.of(of.shape(), of.toFloats());
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void meanMuchLargerThanDeviation(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      // E[x²] - μ² would lose all digits of a variance of ⅓ beside a mean of 3000.
      var x = tensors.random(5, 100);
      for (long i = 0; i < x.shape().size(); i++) {
        x.setFloat(i, 3000 + x.getFloat(i));
      }
      var expected = tensors.out(5, 100);
      oracle.layerNorm(x, null, null, null, null, 1e-5f, expected);
      var out = tensors.out(5, 100);
      backend.layerNorm(x, null, null, null, null, 1e-5f, out);
      assertClose("layerNorm far from zero", expected, out, 1e-2);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void constantRowsGiveBeta(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.of(Shape.of(1, 3), 2.5f, 2.5f, 2.5f);
      var beta = tensors.of(Shape.of(3), 1f, 2f, 3f);
      backend.layerNorm(x, tensors.random(3), beta, null, null, 1e-5f, x);
      assertClose("layerNorm of a constant", beta.reshape(x.shape()), x, 1e-4);
    }
  }
}
