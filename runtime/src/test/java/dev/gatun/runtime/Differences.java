package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertTrue;

/**
 * Gradients by finite differences: what every gradient operator is held against. A central
 * difference of fourth order, so that its step can be long enough for results in f32.
 */
final class Differences {
  private static final float STEP = 1f / 32;

  private Differences() {}

  /** Computes the function anew from its operands as they are. */
  interface Function {
    void compute(Tensor out);
  }

  /**
   * Asserts that {@code dx} is the gradient of {@code Σ dy ⊙ f} with respect to x.
   *
   * @param f a function of x, which is changed for a while
   * @param dy contiguous, the shape of the result
   */
  static void assertGradient(
      String what, Function f, Tensor x, Tensor dy, Tensor dx, double tolerance) {
    int count = Math.toIntExact(x.shape().size());
    double[] expected = new double[count];
    double largest = 0;
    try (var out = Tensor.allocate(DType.F32, dy.shape())) {
      for (int i = 0; i < count; i++) {
        float at = x.getFloat(i);
        double near = loss(f, x, i, at + STEP, dy, out) - loss(f, x, i, at - STEP, dy, out);
        double far = loss(f, x, i, at + 2 * STEP, dy, out) - loss(f, x, i, at - 2 * STEP, dy, out);
        x.setFloat(i, at);
        expected[i] = (8 * near - far) / (12 * STEP);
        largest = Math.max(largest, Math.abs(expected[i]));
      }
    }
    for (int i = 0; i < count; i++) {
      int index = i;
      double allowed = tolerance * largest;
      double found = dx.getFloat(i);
      assertTrue(
          Math.abs(expected[i] - found) <= allowed,
          () ->
              "%s, element %d, seed %d: expected %g within %g, found %g"
                  .formatted(what, index, TestTensors.SEED, expected[index], allowed, found));
    }
  }

  private static double loss(Function f, Tensor x, int i, float value, Tensor dy, Tensor out) {
    x.setFloat(i, value);
    f.compute(out);
    double sum = 0;
    for (long j = 0; j < dy.shape().size(); j++) {
      sum += (double) dy.getFloat(j) * out.getFloat(j);
    }
    return sum;
  }
}
