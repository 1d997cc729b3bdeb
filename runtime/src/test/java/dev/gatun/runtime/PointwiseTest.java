package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PointwiseTest {
  private static final int[] COLUMNS = {1, 3, 8, 12, 15, 16, 17, 31, 32, 33, 72, 100, 384};
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void activateOddSizes(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (var activation : Activation.values()) {
        for (int cols : COLUMNS) {
          var what = activation + " of " + cols + " columns";
          try (var tensors = new TestTensors()) {
            var x = tensors.random(5, cols);
            oracle.combine(6, x, 0, null, x);
            var expected = tensors.out(5, cols);
            oracle.activate(activation, x, expected);
            var view = tensors.outView(5, cols);
            backend.activate(activation, tensors.view(x), view);
            assertClose(what, expected, view, 1e-6);
            backend.activate(activation, x, x);
            assertClose(what + " in place", expected, x, 1e-6);
            tensors.assertGuards(what);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void activateExtremes(Choice choice) {
    float[] values = {
      0f, -0f, 1e-30f, -1e-30f, 1e-4f, -1e-4f, 0.3f, -0.3f, 5f, -5f, 9.5f, -9.5f, 20f, -20f, 60f,
      -60f, 90f, -90f, 200f, -200f, 1e4f, -1e4f, 1e10f, -1e10f, 1e25f, -1e25f, Float.NaN
    };
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.of(Shape.of(1, values.length), values);
      for (var activation : Activation.values()) {
        var expected = tensors.out(1, values.length);
        oracle.activate(activation, x, expected);
        var out = tensors.out(1, values.length);
        backend.activate(activation, x, out);
        for (int i = 0; i < values.length; i++) {
          float e = expected.getFloat(i);
          float a = out.getFloat(i);
          var message = activation + "(" + values[i] + "): expected " + e + ", found " + a;
          assertTrue(
              Float.isNaN(e) ? Float.isNaN(a) : Math.abs(e - a) <= 1e-6 * Math.max(Math.abs(e), 1),
              message);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void addCyclically(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int cols : COLUMNS) {
        for (int period : new int[] {1, 5, 15}) {
          var what = "add of " + period + " rows of " + cols;
          try (var tensors = new TestTensors()) {
            var x = tensors.random(3, 5, cols);
            var y = tensors.random(period, cols);
            var expected = tensors.out(3, 5, cols);
            oracle.add(x, y, expected);
            var view = tensors.outView(3, 5, cols);
            backend.add(tensors.view(x), tensors.view(y), view);
            assertSameBits(what, expected, view);
            if (period == 15) {
              var inY = tensors.view(y);
              backend.add(x, inY, inY);
              assertSameBits(what + " into y", expected.reshape(inY.shape()), inY);
            }
            backend.add(x, y, x);
            assertSameBits(what + " into x", expected, x);
            tensors.assertGuards(what);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void multiplyAddInto(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int cols : COLUMNS) {
        var what = "multiplyAdd of " + cols + " columns";
        try (var tensors = new TestTensors()) {
          var x = tensors.random(13, cols);
          var y = tensors.random(13, cols);
          var z = tensors.random(13, cols);
          var expected = tensors.out(13, cols);
          oracle.multiplyAdd(x, y, z, expected);
          var view = tensors.outView(13, cols);
          backend.multiplyAdd(tensors.view(x), tensors.view(y), tensors.view(z), view);
          assertClose(what, expected, view, 2e-7);
          for (int into = 0; into < 3; into++) {
            Tensor[] operands = {tensors.view(x), tensors.view(y), tensors.view(z)};
            backend.multiplyAdd(operands[0], operands[1], operands[2], operands[into]);
            assertClose(what + " into operand " + into, expected, operands[into], 2e-7);
          }
          tensors.assertGuards(what);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void combineRoundsEachProduct(Choice choice) {
    double a = 1.0 / 3;
    double b = -Math.PI;
    try (var backend = choice.open()) {
      for (int cols : COLUMNS) {
        var what = "combine of " + cols + " columns";
        try (var tensors = new TestTensors()) {
          var x = tensors.random(11, cols);
          var y = tensors.random(11, cols);
          var expected = tensors.out(11, cols);
          var scaled = tensors.out(11, cols);
          for (long i = 0; i < x.shape().size(); i++) {
            float ax = (float) a * x.getFloat(i);
            float by = (float) b * y.getFloat(i);
            expected.setFloat(i, ax + by);
            scaled.setFloat(i, ax);
          }
          var view = tensors.outView(11, cols);
          backend.combine(a, tensors.view(x), b, tensors.view(y), view);
          assertSameBits(what, expected, view);
          backend.combine(a, tensors.view(x), b, null, view);
          assertSameBits(what + " without y", scaled, view);
          var inY = tensors.view(y);
          backend.combine(a, x, b, inY, inY);
          assertSameBits(what + " into y", expected, inY);
          backend.combine(a, x, b, y, x);
          assertSameBits(what + " into x", expected, x);
          tensors.assertGuards(what);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void clampKeepsNan(Choice choice) {
    try (var backend = choice.open()) {
      for (int cols : COLUMNS) {
        var what = "clamp of " + cols + " columns";
        try (var tensors = new TestTensors()) {
          var x = tensors.random(3, cols);
          x.setFloat(0, Float.NaN);
          x.setFloat(cols, Float.NEGATIVE_INFINITY);
          x.setFloat(2L * cols, Float.POSITIVE_INFINITY);
          var expected = tensors.out(3, cols);
          for (long i = 0; i < x.shape().size(); i++) {
            float v = x.getFloat(i);
            expected.setFloat(i, v < -0.5f ? -0.5f : v > 0.25f ? 0.25f : v);
          }
          var view = tensors.outView(3, cols);
          backend.clamp(tensors.view(x), -0.5, 0.25, view);
          assertSameBits(what, expected, view);
          backend.clamp(x, -0.5, 0.25, x);
          assertSameBits(what + " in place", expected, x);
          tensors.assertGuards(what);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void fillWritesAllAndNothingElse(Choice choice) {
    try (var backend = choice.open()) {
      for (int cols : COLUMNS) {
        var what = "fill of " + cols + " columns";
        try (var tensors = new TestTensors()) {
          var expected = tensors.out(5, cols);
          for (long i = 0; i < expected.shape().size(); i++) {
            expected.setFloat(i, 0.1f);
          }
          var view = tensors.outView(5, cols);
          backend.fill(view, 0.1); // rounded to f32
          assertSameBits(what, expected, view);
          var out = tensors.out(5, cols);
          backend.fill(out, 0.1);
          assertSameBits(what, expected, out);
          tensors.assertGuards(what);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void expOfALinearFunction(Choice choice) {
    try (var backend = choice.open()) {
      for (int cols : COLUMNS) {
        var what = "exp of " + cols + " columns";
        try (var tensors = new TestTensors()) {
          var x = tensors.random(3, cols);
          var expected = tensors.out(3, cols);
          for (long i = 0; i < x.shape().size(); i++) {
            expected.setFloat(i, (float) Math.exp(5 * x.getFloat(i) - 0.75));
          }
          var view = tensors.outView(3, cols);
          backend.exp(5, tensors.view(x), -0.75, view);
          assertClose(what, expected, view, 2e-6);
          backend.exp(5, x, -0.75, x);
          assertClose(what + " in place", expected, x, 2e-6);
          tensors.assertGuards(what);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void expUnderflowsAndOverflows(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.of(Shape.of(1, 5), -1000f, -87f, 0f, 88f, 1000f);
      var out = tensors.out(1, 5);
      backend.exp(1, x, 0, out);
      // What is smaller than the smallest normal float may be flushed to zero.
      assertEquals(0, out.getFloat(0), Float.MIN_NORMAL, "exp(-1000)");
      assertEquals(Math.exp(-88), out.getFloat(1), Float.MIN_NORMAL, "exp(-88)");
      assertEquals(1, out.getFloat(2), 1e-6, "exp(0)");
      assertEquals(1, out.getFloat(3) / Math.exp(88), 2e-6, "exp(88)");
      assertTrue(out.getFloat(4) == Float.POSITIVE_INFINITY, () -> "exp(1000): " + out.getFloat(4));
    }
  }
}
