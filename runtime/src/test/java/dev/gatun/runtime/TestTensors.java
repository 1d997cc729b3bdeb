package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Seeded tensors for one test, closed with it. Views lie in the middle columns of a wider tensor
 * whose other columns hold a guard value, so that a write outside a view is found.
 */
final class TestTensors implements AutoCloseable {
  /** Another one with {@code -Dgatun.test.seed=…}. */
  static final long SEED = Long.getLong("gatun.test.seed", 7402);

  private static final float GUARD = -777.25f;
  private static final int LEFT = 3;
  private static final int RIGHT = 2;

  private final SplittableRandom random = new SplittableRandom(SEED);
  private final List<Tensor> owned = new ArrayList<>();
  private final List<Tensor> guarded = new ArrayList<>();

  /** A contiguous tensor of numbers between -1 and 1. */
  Tensor random(int... dims) {
    var tensor = own(Tensor.allocate(DType.F32, Shape.of(dims)));
    for (long i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, (float) random.nextDouble(-1, 1));
    }
    return tensor;
  }

  Tensor of(Shape shape, float... values) {
    return own(Tensor.of(shape, values));
  }

  Tensor of(Shape shape, long... values) {
    return own(Tensor.of(shape, values));
  }

  Tensor allocate(DType dtype, int... dims) {
    return own(Tensor.allocate(dtype, Shape.of(dims)));
  }

  /** A contiguous tensor to write to; what is not written stays NaN. */
  Tensor out(int... dims) {
    return fill(own(Tensor.allocate(DType.F32, Shape.of(dims))), Float.NaN);
  }

  /** A view to write to; what is not written stays NaN. */
  Tensor outView(int... dims) {
    return fill(guardedView(dims), Float.NaN);
  }

  /** A view on some columns that holds the numbers of a tensor. */
  Tensor view(Tensor of) {
    var view = guardedView(of.shape().dims());
    for (long i = 0; i < view.shape().size(); i++) {
      view.setFloat(i, of.getFloat(i));
    }
    return view;
  }

  /** {@link #view}, or null for null. */
  Tensor viewOrNull(Tensor of) {
    return of == null ? null : view(of);
  }

  private Tensor guardedView(int[] dims) {
    int cols = dims[dims.length - 1];
    int[] wide = dims.clone();
    wide[wide.length - 1] = LEFT + cols + RIGHT;
    var parent = fill(own(Tensor.allocate(DType.F32, Shape.of(wide))), GUARD);
    guarded.add(parent);
    return parent.columns(LEFT, LEFT + cols);
  }

  private static Tensor fill(Tensor tensor, float value) {
    for (long i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, value);
    }
    return tensor;
  }

  private Tensor own(Tensor tensor) {
    owned.add(tensor);
    return tensor;
  }

  /** Asserts that nothing was written beside a view. */
  void assertGuards(String what) {
    for (var parent : guarded) {
      int cols = parent.shape().cols();
      for (long i = 0; i < parent.shape().size(); i++) {
        long column = i % cols;
        if (column < LEFT || column >= cols - RIGHT) {
          assertEquals(
              GUARD,
              parent.getFloat(i),
              () -> what + " wrote beside a view " + parent.shape() + ", seed " + SEED);
        }
      }
    }
  }

  /** Asserts that the largest difference is at most a share of the largest expected magnitude. */
  static void assertClose(String what, Tensor expected, Tensor actual, double tolerance) {
    assertEquals(expected.shape(), actual.shape(), what);
    double largest = 0;
    for (long i = 0; i < expected.shape().size(); i++) {
      largest = Math.max(largest, Math.abs(expected.getFloat(i)));
    }
    for (long i = 0; i < expected.shape().size(); i++) {
      double e = expected.getFloat(i);
      double a = actual.getFloat(i);
      long index = i;
      double allowed = tolerance * largest;
      assertTrue(
          Math.abs(e - a) <= allowed,
          () -> message(what, index) + ": expected " + e + " within " + allowed + ", found " + a);
    }
  }

  /** Asserts equal bits, but for the payload of NaN. */
  static void assertSameBits(String what, Tensor expected, Tensor actual) {
    assertEquals(expected.shape(), actual.shape(), what);
    for (long i = 0; i < expected.shape().size(); i++) {
      long index = i;
      assertEquals(
          Float.floatToIntBits(expected.getFloat(i)),
          Float.floatToIntBits(actual.getFloat(i)),
          () ->
              message(what, index)
                  + ": expected "
                  + expected.getFloat(index)
                  + ", found "
                  + actual.getFloat(index));
    }
  }

  private static String message(String what, long index) {
    return what + ", element " + index + ", seed " + SEED;
  }

  @Override
  public void close() {
    owned.forEach(Tensor::close);
  }
}
