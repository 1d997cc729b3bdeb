package dev.gatun.runtime.cpu;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Cpuid;
import dev.gatun.runtime.cpu.asm.Gp;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The product in bf16 by itself, on the unit that this JVM uses; and its units compared. */
class BrainProductTest {
  private static final int WIDTH = BrainWeight.WIDTH;
  private static final int DEPTH = BrainWeight.DEPTH;

  @BeforeEach
  void available() {
    var reason = BrainProduct.unavailable();
    assumeTrue(reason.isEmpty(), "bf16 was not tested: " + reason);
  }

  private static boolean hasTiles() {
    return Cpuid.features().amxBf16() && SystemCalls.requestTiles();
  }

  @Test
  void itSaysWhatMultiplies() {
    boolean wanted = !"false".equals(System.getProperty("gatun.cpu.tiles"));
    assertEquals(
        hasTiles() && wanted ? "bf16 on AMX tiles" : "bf16 on AVX-512 vectors",
        BrainProduct.description());
  }

  /** Every height of a block, one tap and two, several panels, calls that must be split. */
  @Test
  void everyNumberOfRows() {
    for (int rows = 1; rows <= 17; rows++) {
      check(rows, 3, 2, 1);
      check(rows, 1, 3, 2);
    }
    check(70, 40, 3, 1);
    check(35, 150, 2, 2);
    check(70, 1100, 1, 1);
  }

  private static void check(int rows, int steps, int panels, int taps) {
    var what = rows + " rows, " + steps + " steps, " + panels + " panels, " + taps + " taps";
    try (var product = new Product(rows, steps, panels, taps)) {
      var all = product.multiply(0, rows);
      for (int i = 0; i < all.length; i++) {
        double expected = product.expected(i);
        assertEquals(expected, all[i], 1e-6 * steps * taps * DEPTH, what);
      }
      // a row alone has the same bits
      int columns = panels * WIDTH;
      for (int row = 0; row < rows; row += 5) {
        var alone = product.multiply(row, 1);
        assertArrayEquals(
            Arrays.copyOfRange(all, row * columns, (row + 1) * columns), alone, 0f, what);
      }
    }
  }

  /** They need not have the same bits. */
  @Test
  void tilesAndVectorsAgree() {
    assumeTrue(hasTiles(), "there are no tiles to compare with");
    int rows = 21;
    int steps = 7;
    try (var product = new Product(rows, steps, 1, 2)) {
      BrainTiles.multiply(product.arguments(0), rows, 1, 2 * steps);
      var tiles = product.result(rows);
      BrainVectors.multiply(product.arguments(0), rows, 1, 2 * steps);
      assertArrayEquals(tiles, product.result(rows), 1e-5f);
    }
  }

  /** Tiles in use would burden every switch to another thread. */
  @Test
  void tilesAreReleased() {
    assumeTrue(hasTiles(), "there are no tiles to release");
    var code = new Assembler();
    code.sttilecfg(Address.of(Gp.RDI));
    code.ret();
    var configuration = Assembled.of(code.code());
    try (var product = new Product(40, 2, 1, 1);
        var found = new Arguments()) {
      found.set(0, -1);
      BrainTiles.multiply(product.arguments(0), 40, 1, 2);
      configuration.call(found);
      for (int i = 0; i < 8; i++) {
        assertEquals(0, found.get(i), "bytes of the configuration from " + 8 * i + " on");
      }
    }
  }

  @Test
  void denormalsAreZero() {
    try (var product = new Product(1, 1, 1, 1)) {
      product.a.segment().fill((byte) 0);
      product.b.segment().fill((byte) 0);
      product.start.segment().fill((byte) 0);
      product.a.segment().setAtIndex(JAVA_SHORT, 0, (short) 0x0040); // 2^-127
      product.b.segment().setAtIndex(JAVA_SHORT, 0, (short) 0x7F00); // 2^127
      assertEquals(0f, product.multiply(0, 1)[0]);
      product.a.segment().setAtIndex(JAVA_SHORT, 0, (short) 0x0080); // 2^-126
      assertEquals(2f, product.multiply(0, 1)[0]);
    }
  }

  /** Operands with arguments that lead to them. */
  private static final class Product implements AutoCloseable {
    private final int steps;
    private final int panels;
    private final int taps;
    private final int width;
    private final Tensor a;
    private final Tensor b;
    private final Tensor start;
    private final Tensor c;
    private final Tensor offsets;
    private final Arguments arguments = new Arguments();

    Product(int rows, int steps, int panels, int taps) {
      this.steps = steps;
      this.panels = panels;
      this.taps = taps;
      width = (steps + 1) * DEPTH;
      int whole = Math.ceilDiv(rows, BrainProduct.ROWS) * BrainProduct.ROWS;
      // alone, the last row has a block of its own; and a tap is two rows from the next
      int room = whole + BrainProduct.ROWS + 2 * taps;
      a = numbers(Shape.of(room, width), 3);
      b = numbers(Shape.of(panels, taps * steps, WIDTH * DEPTH), 5);
      start = Tensor.allocate(DType.F32, Shape.of(panels, WIDTH));
      for (int i = 0; i < panels * WIDTH; i++) {
        start.setFloat(i, i * 0.125f);
      }
      c = Tensor.allocate(DType.F32, Shape.of(room, panels * WIDTH));
      offsets = Tensor.allocate(DType.I64, Shape.of(2 * taps));
      for (int tap = 0; tap < taps; tap++) {
        // in an order of their own
        int part = taps - 1 - tap;
        offsets.setLong(2 * tap, 2L * tap * width * Short.BYTES);
        offsets.setLong(2 * tap + 1, (long) part * steps * BrainWeight.BLOCK_BYTES);
      }
    }

    /** Between -1 and 1. */
    private static Tensor numbers(Shape shape, int seed) {
      var tensor = Tensor.allocate(DType.BF16, shape);
      for (long i = 0; i < shape.size(); i++) {
        float x = (float) Math.sin(seed * i + i / 97);
        tensor.segment().setAtIndex(JAVA_SHORT, i, (short) (Float.floatToRawIntBits(x) >> 16));
      }
      return tensor;
    }

    Arguments arguments(int row) {
      return arguments
          .set(BrainProduct.A, a.address() + (long) row * width * Short.BYTES)
          .set(BrainProduct.A_STRIDE, (long) width * Short.BYTES)
          .set(BrainProduct.B, b.address())
          .set(BrainProduct.B_PANEL, (long) taps * steps * BrainWeight.BLOCK_BYTES)
          .set(BrainProduct.START, start.address())
          .set(BrainProduct.START_STRIDE, 0)
          .set(BrainProduct.START_PANEL, WIDTH * Float.BYTES)
          .set(BrainProduct.C, c.address())
          .set(BrainProduct.C_STRIDE, (long) panels * WIDTH * Float.BYTES)
          .set(BrainProduct.C_PANEL, WIDTH * Float.BYTES)
          .set(BrainProduct.STEPS, steps)
          .set(BrainProduct.TAPS, taps)
          .set(BrainProduct.OFFSETS, offsets.address());
    }

    /** Of some rows of A, from a row on. */
    float[] multiply(int row, int count) {
      BrainProduct.multiply(arguments(row), count, panels, taps * steps);
      return result(count);
    }

    float[] result(int rows) {
      return c.slice(0, rows).toFloats();
    }

    /** An element of all rows' result. */
    double expected(int index) {
      int column = index % (panels * WIDTH);
      int row = index / (panels * WIDTH);
      double sum = start.getFloat(column);
      for (int k = 0; k < taps * steps * DEPTH; k++) {
        int tap = taps - 1 - k / (steps * DEPTH);
        long pair = column % WIDTH / 16 * 16 + k % DEPTH / 2;
        long block = (long) column / WIDTH * taps * steps + k / DEPTH;
        double factor = number(b, block * WIDTH * DEPTH + (pair * 16 + column % 16) * 2 + k % 2);
        sum += factor * number(a, (row + 2L * tap) * width + k % (steps * DEPTH));
      }
      return sum;
    }

    private static double number(Tensor tensor, long index) {
      return Float.intBitsToFloat(tensor.segment().getAtIndex(JAVA_SHORT, index) << 16);
    }

    @Override
    public void close() {
      for (var tensor : new Tensor[] {a, b, start, c, offsets}) {
        tensor.close();
      }
      arguments.close();
    }
  }
}
