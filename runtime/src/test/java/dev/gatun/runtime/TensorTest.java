package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TensorTest {
  private static Tensor counting(int... dims) {
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    for (int i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, i);
    }
    return tensor;
  }

  @Test
  void memoryIsAlignedAndZero() {
    for (int size : new int[] {1, 3, 17}) {
      try (var tensor = Tensor.allocate(DType.F32, Shape.of(size))) {
        assertEquals(0, tensor.segment().address() % Tensor.ALIGNMENT);
        assertArrayEquals(new float[size], tensor.toFloats());
      }
    }
  }

  @Test
  void columnsAreAViewOfEveryRow() {
    try (var tensor = counting(2, 2, 5)) {
      var view = tensor.columns(1, 3);
      assertEquals(Shape.of(2, 2, 2), view.shape());
      assertEquals(5, view.rowStride());
      assertFalse(view.isContiguous());
      assertArrayEquals(new float[] {1, 2, 6, 7, 11, 12, 16, 17}, view.toFloats());
      view.setFloat(3, -1);
      assertEquals(-1, tensor.getFloat(7));
      assertArrayEquals(new float[] {2, -1, 12, 17}, view.columns(1, 2).toFloats());
    }
  }

  @Test
  void slicesAndShapesOfViews() {
    try (var tensor = counting(3, 2, 4)) {
      var slice = tensor.slice(1, 3);
      assertArrayEquals(new float[] {8, 9}, Arrays.copyOf(slice.toFloats(), 2));
      var part = tensor.columns(2, 4).slice(2, 3);
      assertArrayEquals(new float[] {18, 19, 22, 23}, part.toFloats());
      var entries = tensor.reshape(3, 8).columns(6, 8);
      assertArrayEquals(new float[] {6, 7, 14, 15, 22, 23}, entries.toFloats());
      var rows = tensor.columns(2, 4).reshape(Shape.of(6, 2));
      assertEquals(4, rows.rowStride());
      assertArrayEquals(new float[] {22, 23}, rows.slice(5, 6).toFloats());
    }
  }

  @Test
  void viewsAreRemembered() {
    try (var tensor = counting(3, 2, 4)) {
      assertSame(tensor.columns(1, 3), tensor.columns(1, 3));
      assertSame(tensor.slice(1, 2), tensor.slice(1, 2));
      assertSame(tensor.reshape(Shape.of(6, 4)), tensor.reshape(Shape.of(6, 4)));
      assertSame(tensor.reshape(3, 8), tensor.reshape(Shape.of(3, 8)));
      assertSame(tensor.columns(2, 2), tensor.columns(2, 2));
      assertSame(tensor.slice(3, 3), tensor.slice(3, 3));
      assertNotSame(tensor.columns(0, 3), tensor.columns(1, 4));
      assertNotSame(tensor.slice(0, 1), tensor.slice(1, 2));
    }
  }

  /** A remembered view may have the right rows and columns, and yet be another. */
  @Test
  void rememberedViewsOfOtherShapesAreNotMistaken() {
    try (var tensor = counting(2, 3, 4)) {
      var turned = tensor.reshape(Shape.of(3, 2, 4));
      assertEquals(Shape.of(2, 3, 4), tensor.columns(0, 4).shape());
      assertEquals(Shape.of(3, 2, 4), turned.shape());
      var flat = tensor.reshape(Shape.of(1, 6, 4));
      assertEquals(Shape.of(1, 3, 4), tensor.slice(0, 1).shape());
      assertEquals(Shape.of(1, 6, 4), flat.shape());
    }
  }

  @Test
  void emptyTensorsHaveViews() {
    try (var none = Tensor.allocate(DType.F32, Shape.of(0, 6));
        var some = counting(2, 6)) {
      assertEquals(Shape.of(0, 2), none.columns(2, 4).shape());
      assertEquals(Shape.of(0, 6), none.slice(0, 0).shape());
      assertEquals(Shape.of(2, 0), some.columns(6, 6).shape());
      assertEquals(Shape.of(0, 2), some.columns(0, 2).slice(2, 2).shape());
      assertArrayEquals(new float[0], some.columns(6, 6).toFloats());
    }
  }

  @Test
  void viewsThatDoNotExist() {
    try (var tensor = counting(2, 6)) {
      var e = assertThrows(IndexOutOfBoundsException.class, () -> tensor.columns(4, 7));
      assertEquals("columns 4 to 7 of tensor F32 [2, 6] on cpu", e.getMessage());
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.columns(-1, 2));
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.columns(3, 2));
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(1, 3));
      var shape = Shape.of(3, 5);
      var r = assertThrows(IllegalArgumentException.class, () -> tensor.reshape(shape));
      assertEquals("tensor F32 [2, 6] on cpu cannot be seen as [3, 5]", r.getMessage());
      var columns = tensor.columns(0, 3);
      var six = Shape.of(6);
      assertThrows(IllegalArgumentException.class, () -> columns.reshape(six));
      assertThrows(IllegalStateException.class, () -> columns.setFloats(new float[6]));
    }
  }

  @Test
  void closingClosesTheViewsToo() {
    var tensor = counting(2, 6);
    var view = tensor.columns(1, 2);
    view.close();
    assertTrue(tensor.isAlive(), "closing a view must not free the memory");
    tensor.close();
    tensor.close();
    assertFalse(view.isAlive());
    var e = assertThrows(IllegalStateException.class, view::segment);
    assertEquals("tensor F32 [2, 1] on cpu is closed", e.getMessage());
    assertThrows(IllegalStateException.class, () -> view.getFloat(0));
  }

  @Test
  void elementsOfEveryType() {
    try (var arena = Arena.ofConfined()) {
      var bytes = arena.allocate(8);
      bytes.setAtIndex(ValueLayout.JAVA_BYTE, 0, (byte) 0x80);
      bytes.setAtIndex(ValueLayout.JAVA_BYTE, 1, (byte) 0xC0);
      // Little-endian: as one 16-bit number 0xC080, then zeros.
      assertEquals(128, wrap(DType.U8, bytes.asSlice(0, 1)).getLong(0));
      assertEquals(-128, wrap(DType.I8, bytes.asSlice(0, 1)).getLong(0));
      assertEquals(1, wrap(DType.BOOL, bytes.asSlice(0, 1)).getLong(0));
      assertEquals(0xC080 - 0x10000, wrap(DType.I16, bytes.asSlice(0, 2)).getLong(0));
      assertEquals(0xC080, wrap(DType.I32, bytes.asSlice(0, 4)).getLong(0));
      assertEquals(0xC080, wrap(DType.I64, bytes).getDouble(0));
      assertEquals(-4f, wrap(DType.BF16, bytes.asSlice(0, 2)).getFloat(0));
      assertEquals(-2.25f, wrap(DType.F16, bytes.asSlice(0, 2)).getFloat(0));
      assertEquals(Double.longBitsToDouble(0xC080), wrap(DType.F64, bytes).getDouble(0));
      assertThrows(IllegalStateException.class, () -> wrap(DType.F64, bytes).getLong(0));
      var e = assertThrows(IllegalArgumentException.class, () -> wrap(DType.I16, bytes));
      assertEquals("a I16 tensor [1] has 2 bytes, the segment has 8", e.getMessage());
    }
  }

  private static Tensor wrap(DType dtype, MemorySegment segment) {
    return Tensor.wrap(Device.CPU, dtype, Shape.of(1), segment);
  }

  @Test
  void literalsOfTheWrongLength() {
    var shape = Shape.of(2, 3);
    var e = assertThrows(IllegalArgumentException.class, () -> Tensor.of(shape, 1f, 2f).close());
    assertEquals("shape [2, 3] has 6 elements, not 2", e.getMessage());
  }
}
