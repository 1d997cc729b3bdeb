package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** {@link Shape}, {@link DType} and {@link Device}. */
class ShapeTest {
  @Test
  void rowsAndColumns() {
    var shape = Shape.of(2, 3, 5);
    assertEquals(30, shape.size());
    assertEquals(6, shape.rows());
    assertEquals(5, shape.cols());
    assertEquals(5, shape.dim(-1));
    assertEquals(2, shape.dim(-3));
    assertEquals("[2, 3, 5]", shape.toString());
    assertEquals(1, Shape.of().size());
    assertEquals(1, Shape.of().cols());
    assertEquals(1, Shape.of(7).rows());
    assertEquals(0, Shape.of(4, 0).size());
    assertEquals(4, Shape.of(4, 0).rows());
  }

  @Test
  void equality() {
    assertEquals(Shape.of(2, 3), Shape.of(2, 3));
    assertEquals(Shape.of(2, 3).hashCode(), Shape.of(2, 3).hashCode());
    assertNotEquals(Shape.of(2, 3), Shape.of(3, 2));
    assertNotEquals(Shape.of(2, 3), Shape.of(2, 3, 1));
    assertTrue(Shape.of(2).is(2) && Shape.of(2, 3).is(2, 3) && Shape.of(1, 2, 3).is(1, 2, 3));
    assertTrue(Shape.of(1, 2, 3, 4).is(1, 2, 3, 4));
    assertFalse(Shape.of(2, 3).is(2) || Shape.of(2).is(2, 3) || Shape.of(2, 3).is(2, 4));
  }

  @Test
  void extentsAreTheShapesOwn() {
    int[] dims = {2, 3};
    var shape = Shape.of(dims);
    dims[0] = 9;
    shape.dims()[1] = 9;
    assertEquals(Shape.of(2, 3), shape);
  }

  @Test
  void impossibleExtents() {
    var e = assertThrows(IllegalArgumentException.class, () -> Shape.of(2, -1));
    assertEquals("shape [2, -1] has a negative extent", e.getMessage());
    int m = Integer.MAX_VALUE;
    assertThrows(ArithmeticException.class, () -> Shape.of(m, m, m));
    assertThrows(ArithmeticException.class, () -> Shape.of(m, m, m, 0));
  }

  @Test
  void types() {
    assertEquals(2, DType.BF16.bytes());
    assertEquals(8, DType.I64.bytes());
    assertTrue(DType.F16.isFloating() && DType.BF16.isFloating() && DType.F64.isFloating());
    assertFalse(DType.I64.isFloating() || DType.BOOL.isFloating());
  }

  @Test
  void devices() {
    assertEquals(Device.CPU, Device.parse("cpu"));
    assertEquals(new Device(Device.Kind.CUDA, 0), Device.parse("CUDA"));
    assertEquals("cuda:3", Device.parse("cuda:3").toString());
    for (var bad : new String[] {"gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:1", ""}) {
      var e = assertThrows(IllegalArgumentException.class, () -> Device.parse(bad));
      assertEquals("unknown device '" + bad + "': give cpu, cuda or cuda:INDEX", e.getMessage());
    }
  }
}
