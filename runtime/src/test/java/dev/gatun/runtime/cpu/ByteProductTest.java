package dev.gatun.runtime.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.ByteProduct.Unit;
import dev.gatun.runtime.cpu.asm.Cpuid;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The product of bytes by itself, against loops, on each unit that this processor has. */
class ByteProductTest {
  private static final int WIDTH = ByteWeight.WIDTH;
  private static final int DEPTH = ByteWeight.DEPTH;
  private static final long SEED = 11;

  @BeforeEach
  void available() {
    var reason = ByteProduct.unavailable();
    assumeTrue(reason.isEmpty(), "i8 was not tested: " + reason);
  }

  @Test
  void itSaysWhatMultiplies() {
    var unit = ByteProduct.unit();
    assertTrue(unit.isThere() && unit.isWanted());
    for (var other : Unit.values()) {
      if (other.isThere() && other.isWanted()) {
        assertTrue(unit.ordinal() <= other.ordinal(), unit + " before " + other);
      }
    }
    var text =
        switch (unit) {
          case TILES -> "int8 linear layers on AMX tiles";
          case WIDE -> "int8 linear layers on AVX-512 vectors";
          case FOURS -> "int8 linear layers on AVX-VNNI vectors";
          case PAIRS -> "int8 linear layers on AVX2 vectors";
        };
    assertEquals(text, ByteProduct.description());
  }

  /** Every height of a block, several panels, calls that must be split. */
  @Test
  void everyNumberOfRows() {
    var random = new Random(SEED);
    IntSupplier any = () -> random.nextInt(255) - 127;
    for (int rows = 1; rows <= 17; rows++) {
      check(rows, 3, 2, any);
    }
    check(70, 18, 3, any);
    check(35, 150, 2, any);
    check(12, 300, 1, any);
  }

  /** Bytes of the largest magnitude, of one sign and of both. */
  @Test
  void extremes() {
    var random = new Random(SEED);
    check(9, 40, 2, () -> 127);
    check(9, 40, 2, () -> -127);
    check(9, 40, 2, () -> random.nextBoolean() ? 127 : -127);
    check(9, 40, 2, () -> random.nextInt(8) == 0 ? 127 : -127);
  }

  private static void check(int rows, int steps, int panels, IntSupplier bytes) {
    var what = rows + " rows, " + steps + " steps, " + panels + " panels, seed " + SEED;
    try (var product = new Product(rows, steps, panels, bytes)) {
      var expected = product.expected();
      for (var unit : Unit.values()) {
        if (unit.isThere()) {
          assertArrayEquals(expected, product.on(unit), what + ", " + unit);
        }
      }
    }
  }

  /** Whatever the length, an offset changes each byte of a row and of what it is filled up with. */
  @Test
  void rowsWithAnOffset() {
    assumeTrue(Cpuid.features().avx512bw(), "rows are not quantised in machine code here");
    for (int length : new int[] {1, 3, 15, 16, 17, 63, 64, 65, 127, 128, 1000}) {
      byte[] plain = quantised(length, 0);
      byte[] offset = quantised(length, 128);
      for (int i = 0; i < plain.length; i++) {
        assertEquals(plain[i] + 128, offset[i] & 0xFF, "byte " + i + " of " + length);
      }
      int whole = Math.ceilDiv(length, DEPTH) * DEPTH;
      assertArrayEquals(
          new byte[whole - length], Arrays.copyOfRange(plain, length, whole), "rest of " + length);
    }
  }

  /** Two rows whose largest magnitudes come first and last. */
  private static byte[] quantised(int length, int offset) {
    int width = Math.ceilDiv(length, DEPTH) * DEPTH;
    try (var x = Tensor.allocate(DType.F32, Shape.of(2, length));
        var bytes = Tensor.allocate(DType.I8, Shape.of(2, width));
        var scales = Tensor.allocate(DType.F32, Shape.of(2));
        var arguments = new Arguments()) {
      for (int i = 0; i < length; i++) {
        x.setFloat(i, (float) Math.cos(i) * (length - i));
        x.setFloat(length + i, (float) -(i + 1));
      }
      long stride = (long) length * Float.BYTES;
      ByteRows.quantise(
          DType.F32,
          arguments,
          x.address(),
          stride,
          bytes.address(),
          width,
          scales.address(),
          2,
          length,
          offset);
      assertEquals(length / 127f, scales.getFloat(1));
      return bytes.segment().toArray(JAVA_BYTE);
    }
  }

  /** Operands with arguments that lead to them. */
  private static final class Product implements AutoCloseable {
    private final int rows;
    private final int steps;
    private final int panels;
    private final int width;
    private final Tensor a;
    private final Tensor factors;
    private final Tensor b;
    private final Tensor start;
    private final Tensor c;
    private final BrainScratch scratch = new BrainScratch();

    Product(int rows, int steps, int panels, IntSupplier bytes) {
      this.rows = rows;
      this.steps = steps;
      this.panels = panels;
      width = (steps + 1) * DEPTH;
      int whole = (rows / BrainProduct.ROWS + 1) * BrainProduct.ROWS;
      a = numbers(Shape.of(whole, width), bytes);
      factors = Tensor.allocate(DType.I16, a.shape());
      b = numbers(Shape.of(panels, steps, WIDTH * DEPTH), bytes);
      start = Tensor.allocate(DType.I32, Shape.of(panels, WIDTH));
      c = Tensor.allocate(DType.I32, Shape.of(whole, panels * WIDTH));
    }

    private static Tensor numbers(Shape shape, IntSupplier bytes) {
      var tensor = Tensor.allocate(DType.I8, shape);
      for (long i = 0; i < shape.size(); i++) {
        tensor.segment().setAtIndex(JAVA_BYTE, i, (byte) bytes.getAsInt());
      }
      return tensor;
    }

    private static int number(Tensor tensor, long index) {
      return tensor.segment().getAtIndex(JAVA_BYTE, index);
    }

    /** Result of a unit. */
    int[] on(Unit unit) {
      for (int i = 0; i < a.shape().size(); i++) {
        if (unit == Unit.PAIRS) {
          // 0, 2, 1, 3
          int place = i / 4 * 4 + i % 2 * 2 + i % 4 / 2;
          factors.segment().setAtIndex(JAVA_SHORT, place, (short) number(a, i));
        } else {
          byte factor = (byte) (number(a, i) + unit.offset());
          factors.segment().setAtIndex(JAVA_BYTE, i, factor);
        }
      }
      for (int n = 0; n < panels * WIDTH; n++) {
        int sum = 0;
        for (int k = 0; k < steps * DEPTH; k++) {
          sum += right(k, n);
        }
        start.segment().setAtIndex(JAVA_INT, n, -unit.offset() * sum);
      }
      c.segment().fill((byte) -1);
      // In two pieces, the second of which goes on with what the first has left.
      int piece = steps / 2;
      if (piece > 0) {
        unit.multiply(arguments(unit, 0, piece), rows, panels, piece);
      }
      unit.multiply(arguments(unit, piece, steps - piece), rows, panels, steps - piece);
      if (unit != Unit.TILES) {
        // A tile is always whole, a vector belongs to a row.
        byte[] beyond = c.slice(rows, c.dim(0)).segment().toArray(JAVA_BYTE);
        byte[] untouched = new byte[beyond.length];
        Arrays.fill(untouched, (byte) -1);
        assertArrayEquals(untouched, beyond, "beyond " + rows + " rows, " + unit);
      }
      return result();
    }

    private Arguments arguments(Unit unit, int first, int count) {
      long columns = (long) panels * WIDTH * Integer.BYTES;
      return scratch
          .product()
          .set(BrainProduct.A, factors.address() + (long) first * DEPTH * unit.factorBytes())
          .set(BrainProduct.A_STRIDE, (long) width * unit.factorBytes())
          .set(BrainProduct.B, b.address() + (long) first * ByteWeight.BLOCK_BYTES)
          .set(BrainProduct.B_PANEL, (long) steps * ByteWeight.BLOCK_BYTES)
          .set(BrainProduct.START, first == 0 ? start.address() : c.address())
          .set(BrainProduct.START_STRIDE, first == 0 ? 0 : columns)
          .set(BrainProduct.START_PANEL, WIDTH * Integer.BYTES)
          .set(BrainProduct.C, c.address())
          .set(BrainProduct.C_STRIDE, columns)
          .set(BrainProduct.C_PANEL, WIDTH * Integer.BYTES)
          .set(BrainProduct.OUT, c.address())
          .set(BrainProduct.OUT_STRIDE, columns)
          .set(BrainProduct.OUT_PANEL, WIDTH * Integer.BYTES)
          .set(BrainProduct.STEPS, count);
    }

    private int[] result() {
      return c.slice(0, rows).segment().toArray(JAVA_INT);
    }

    int[] expected() {
      int columns = panels * WIDTH;
      int[] sums = new int[rows * columns];
      for (int i = 0; i < sums.length; i++) {
        for (int k = 0; k < steps * DEPTH; k++) {
          sums[i] += number(a, i / columns * (long) width + k) * right(k, i % columns);
        }
      }
      return sums;
    }

    /** An element of B. */
    private int right(int k, int n) {
      long block = (long) n / WIDTH * steps + k / DEPTH;
      long four = (n % WIDTH / 16 * 16 + k % DEPTH / 4) * 16 + n % 16;
      return number(b, block * ByteWeight.BLOCK_BYTES + four * 4 + k % 4);
    }

    @Override
    public void close() {
      for (var tensor : new Tensor[] {a, factors, b, start, c}) {
        tensor.close();
      }
      scratch.close();
    }
  }
}
