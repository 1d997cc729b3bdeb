package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import org.junit.jupiter.api.Test;

class ChecksTest {
  /** Holds the overlap of views against a count of the elements that they share. */
  @Test
  void overlapOfViewsIsExactForEqualStrides() {
    try (var tensor = Tensor.allocate(DType.F32, Shape.of(4, 5))) {
      var views = new ArrayList<Tensor>();
      for (int top = 0; top < 4; top++) {
        for (int bottom = top + 1; bottom <= 4; bottom++) {
          for (int left = 0; left < 5; left++) {
            for (int right = left + 1; right <= 5; right++) {
              views.add(tensor.slice(top, bottom).columns(left, right));
            }
          }
        }
      }
      for (var a : views) {
        for (var b : views) {
          boolean shared = sharesAnElement(tensor, a, b);
          boolean refused;
          try {
            Checks.disjoint("op", a, "b", b);
            refused = false;
          } catch (IllegalArgumentException e) {
            refused = true;
          }
          assertEquals(shared, refused, () -> a + " and " + b);
        }
      }
    }
  }

  private static boolean sharesAnElement(Tensor tensor, Tensor a, Tensor b) {
    tensor.setFloats(new float[20]);
    for (long i = 0; i < a.shape().size(); i++) {
      a.setFloat(i, 1);
    }
    for (long i = 0; i < b.shape().size(); i++) {
      if (b.getFloat(i) == 1) {
        return true;
      }
    }
    return false;
  }

  @Test
  void theSameMemoryUnderAnotherShapeIsTheSame() {
    try (var tensor = Tensor.allocate(DType.F32, Shape.of(2, 3, 4))) {
      var rows = tensor.reshape(Shape.of(6, 4));
      assertDoesNotThrow(() -> Checks.disjointOrSame("op", tensor, "x", rows));
      assertDoesNotThrow(() -> Checks.disjointOrSame("op", tensor, "x", tensor));
      var twelve = tensor.reshape(Shape.of(2, 12));
      assertThrows(
          IllegalArgumentException.class, () -> Checks.disjointOrSame("op", tensor, "x", twelve));
      assertThrows(IllegalArgumentException.class, () -> Checks.disjoint("op", tensor, "x", rows));
    }
  }

  @Test
  void emptyTensorsOverlapNothing() {
    try (var tensor = Tensor.allocate(DType.F32, Shape.of(3, 4))) {
      assertDoesNotThrow(() -> Checks.disjoint("op", tensor, "x", tensor.slice(1, 1)));
      assertDoesNotThrow(() -> Checks.disjoint("op", tensor.columns(2, 2), "x", tensor));
    }
  }
}
