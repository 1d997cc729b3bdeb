package dev.gatun.runtime.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.ExecutableMemory;
import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.asm.Cpuid;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The assembled products have the bits of the Vector API's, and of one chain of Math.fma. */
class FloatTilesTest {
  private static final long SEED = 20261128;
  private static final int[] DEPTHS = {0, 1, 2, 3, 4, 5, 7, 8, 37, MicroKernel.DEPTH};

  /** More than a call takes. */
  private static final int MANY = FloatTiles.CHUNK + MicroKernel.ROWS + 1;

  private final SplittableRandom random = new SplittableRandom(SEED);

  private Floats numbers(int count) {
    var numbers = Floats.of(count);
    for (int i = 0; i < count; i++) {
      numbers.array()[i] = (float) random.nextDouble(-1, 1);
    }
    return numbers;
  }

  /** Elsewhere all tests of operators would silently test the Vector API. */
  @Test
  void codeIsUsedWhereverItMayBe() {
    boolean may =
        Lanes.BYTES >= 32 && Boolean.parseBoolean(System.getProperty(SystemCalls.PROPERTY, "true"));
    try {
      var features = Cpuid.features();
      may &= Lanes.BYTES == 64 ? features.avx512f() : features.avx2() && features.fma();
    } catch (CodeRefusedException e) {
      may = false;
    }
    assertEquals(may, FloatTiles.USED);
  }

  @Test
  void everyNumberOfRowsHasTheBitsOfTheVectorApi() {
    int rows = 3 * MicroKernel.ROWS;
    var a = numbers(rows * MicroKernel.STRIDE + 1);
    var b = numbers(MicroKernel.DEPTH * MicroKernel.WIDTH + 3);
    var start = numbers(rows * MicroKernel.WIDTH + 5);
    for (int k : DEPTHS) {
      for (int step : new int[] {0, MicroKernel.WIDTH}) {
        for (int n = 1; n <= rows; n++) {
          var expected = numbers(rows * MicroKernel.WIDTH + 7);
          var found = Floats.of(expected.array().length);
          System.arraycopy(expected.array(), 0, found.array(), 0, found.array().length);
          for (int r = 0; r < n; r += MicroKernel.ROWS) {
            MicroKernel.multiply(
                a.array(),
                1 + r * MicroKernel.STRIDE,
                b.array(),
                3,
                k,
                start.array(),
                5 + r * step,
                step,
                expected.array(),
                7 + r * MicroKernel.WIDTH,
                Math.min(MicroKernel.ROWS, n - r));
          }
          int advance = MicroKernel.ROWS * MicroKernel.STRIDE;
          TileProduct.multiply(a, 1, advance, b, 3, k, start, 5, step, found, 7, n);
          // All of it: what is beside the rows must stay as it was.
          assertArrayEquals(
              expected.array(),
              found.array(),
              n + " rows, k " + k + ", step " + step + ", seed " + SEED);
        }
      }
    }
  }

  @Test
  void moreRowsThanACallTakesGoOnInPlaceAndSideBySide() {
    int k = 40;
    int perLine = PackedRows.perLine(k);
    var a = numbers(PackedRows.floats(MANY, perLine));
    var b = numbers(k * MicroKernel.WIDTH);
    var expected = numbers(MANY * MicroKernel.WIDTH);
    var found = Floats.of(expected.array().length);
    System.arraycopy(expected.array(), 0, found.array(), 0, found.array().length);
    for (int r = 0; r < MANY; r++) {
      int c = r * MicroKernel.WIDTH;
      int at = PackedRows.at(r, perLine, k);
      float[] sums = expected.array();
      MicroKernel.multiply(a.array(), at, b.array(), 0, k, sums, c, 0, sums, c, 1);
    }
    int advance = PackedRows.advance(perLine, k);
    for (int r = 0, end; r < MANY; r = end) {
      end = PackedRows.end(r, MANY, perLine);
      int c = r * MicroKernel.WIDTH;
      int at = PackedRows.at(r, perLine, k);
      int step = MicroKernel.WIDTH;
      TileProduct.multiply(a, at, advance, b, 0, k, found, c, step, found, c, end - r);
    }
    assertArrayEquals(expected.array(), found.array(), "seed " + SEED);
  }

  @Test
  void aPanelOffTheHeapIsReadWhereItLiesAndRefusedWhenItIsClosed() {
    assumeTrue(FloatTiles.USED, "machine code was not tested");
    int k = 37;
    int rows = MicroKernel.ROWS + 1;
    var a = numbers(2 * MicroKernel.ROWS * MicroKernel.STRIDE);
    var b = numbers((k + 1) * MicroKernel.WIDTH);
    var bias = numbers(MicroKernel.WIDTH);
    var expected = Floats.of(rows * MicroKernel.WIDTH);
    var found = Floats.of(rows * MicroKernel.WIDTH);
    int advance = MicroKernel.ROWS * MicroKernel.STRIDE;
    TileProduct.multiply(a, 0, advance, b, MicroKernel.WIDTH, k, bias, 0, 0, expected, 0, rows);
    MemorySegment panel;
    try (var memory = Tensor.allocate(DType.F32, Shape.of(k + 1, MicroKernel.WIDTH))) {
      memory.setFloats(b.array());
      panel = memory.segment();
      multiply(a, panel, k, bias, found, rows);
      assertArrayEquals(expected.array(), found.array(), "seed " + SEED);
    }
    assertThrows(IllegalStateException.class, () -> multiply(a, panel, k, bias, found, rows));
  }

  private static void multiply(
      Floats a, MemorySegment panel, int k, Floats bias, Floats c, int rows) {
    long from = (long) MicroKernel.WIDTH * Float.BYTES;
    int advance = MicroKernel.ROWS * MicroKernel.STRIDE;
    long next = panel.address();
    FloatTiles.multiply(
        a.segment(),
        0,
        advance,
        panel,
        from,
        k,
        bias.segment(),
        0,
        0,
        c.segment(),
        0,
        rows,
        next,
        next + panel.byteSize());
  }

  /** Both widths wherever the processor has them, whichever of them this JVM computes with. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void eachElementIsOneChainOverK(boolean wide) throws Throwable {
    int height = wide ? 12 : 6;
    int width = wide ? 32 : 16;
    int stride = 41;
    int k = 39;
    int rows = 2 * height + 5;
    var a = numbers(3 * height * stride);
    var b = numbers(k * width);
    var bias = numbers(width);
    var c = Floats.of(rows * width);
    try (var memory = assemble(wide, height, stride)) {
      var function =
          memory.heapHandle(
              0,
              FunctionDescriptor.ofVoid(
                  ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                  JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
      long advance = (long) height * stride * Float.BYTES;
      function.invokeExact(
          a.segment(),
          b.segment(),
          bias.segment(),
          c.segment(),
          0L,
          0L,
          0L,
          0L,
          (long) k,
          0L,
          (long) rows,
          advance,
          0L,
          0L);
    }
    for (int r = 0; r < rows; r++) {
      for (int j = 0; j < width; j++) {
        float sum = bias.array()[j];
        for (int i = 0; i < k; i++) {
          sum = Math.fma(a.array()[r * stride + i], b.array()[i * width + j], sum);
        }
        assertEquals(
            sum, c.array()[r * width + j], "row " + r + ", column " + j + ", seed " + SEED);
      }
    }
  }

  private static ExecutableMemory assemble(boolean wide, int height, int stride) {
    try {
      var features = Cpuid.features();
      boolean known = wide ? features.avx512f() : features.avx2() && features.fma();
      assumeTrue(known, "this processor has not these vectors");
      return ExecutableMemory.of(new FloatTileCode(wide, height, stride * Float.BYTES).assemble());
    } catch (CodeRefusedException e) {
      assumeTrue(false, "machine code was not tested: " + e.getMessage());
      throw e;
    }
  }
}
