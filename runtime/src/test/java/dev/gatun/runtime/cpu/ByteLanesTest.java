package dev.gatun.runtime.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Quantised;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.asm.Cpuid;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes before a product of bytes on the Vector API, against loops and the machine code. */
class ByteLanesTest {
  private static final int DEPTH = ByteWeight.DEPTH;
  private static final long SEED = 17;

  /** So that tests of int8 are not left out unseen. */
  @Test
  @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
  @DisabledIfSystemProperty(named = SystemCalls.PROPERTY, matches = "false")
  @DisabledIfSystemProperty(named = "gatun.cpu.vectorBits", matches = "128")
  void i8IsThereWithAvx2() throws IOException {
    boolean avx2 = Files.readString(Path.of("/proc/cpuinfo")).contains(" avx2 ");
    assumeTrue(avx2 && ByteLanes.areFast(), "no vectors of 256 bits");
    assertEquals("", ByteProduct.unavailable());
  }

  /** Numbers of whole blocks, of which some are given and the others zero. */
  private static float[] row(int length) {
    var random = new Random(SEED + length);
    float[] x = new float[Math.ceilDiv(length, DEPTH) * DEPTH];
    for (int i = 0; i < length; i++) {
      x[i] = random.nextFloat() - 0.5f;
    }
    // The scale is 1 if the largest magnitude is 127: then these are ties, which go to even.
    float[] ties = {-127, 0.5f, 1.5f, -0.5f, -1.5f, 2.5f, 126.5f, -126.5f};
    if (length >= 64) {
      System.arraycopy(ties, 0, x, length - ties.length, ties.length);
    }
    return x;
  }

  private static Quantised quantised(float[] x) {
    try (var tensor = Tensor.of(Shape.of(1, x.length), x)) {
      return Quantised.of(tensor);
    }
  }

  private static byte[] bytes(float[] x, int offset) {
    try (var to = Tensor.allocate(DType.U8, Shape.of(x.length + 3))) {
      float scale = ByteLanes.bytes(x, x.length, offset, to.segment(), 3);
      assertEquals(quantised(x).scales()[0], scale);
      return to.segment().asSlice(3).toArray(JAVA_BYTE);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 63, 64, 65, 127, 128, 1000})
  void rowsBecomeBytes(int length) {
    float[] x = row(length);
    int[] expected = quantised(x).bytes()[0];
    for (int offset : new int[] {0, 128}) {
      byte[] found = bytes(x, offset);
      for (int i = 0; i < x.length; i++) {
        assertEquals((byte) (expected[i] + offset), found[i], "number " + i + ", seed " + SEED);
      }
    }
  }

  /** Four inputs in the order 0, 2, 1, 3. */
  @ParameterizedTest
  @ValueSource(ints = {1, 63, 64, 65, 127, 128, 1000})
  void rowsBecomeShorts(int length) {
    float[] x = row(length);
    int[] expected = quantised(x).bytes()[0];
    try (var to = Tensor.allocate(DType.I16, Shape.of(x.length + 1))) {
      float scale = ByteLanes.shorts(x, x.length, to.segment(), Short.BYTES);
      assertEquals(quantised(x).scales()[0], scale);
      int[] order = {0, 2, 1, 3};
      for (int i = 0; i < x.length; i++) {
        short found = to.segment().getAtIndex(JAVA_SHORT, 1 + i);
        assertEquals(expected[i / 4 * 4 + order[i % 4]], found, "number " + i + ", seed " + SEED);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void aRowThatIsNotFiniteHasNoScale(float value) {
    for (int place : new int[] {0, 7, 63, 64, 127}) {
      float[] x = row(128);
      x[place] = value;
      try (var to = Tensor.allocate(DType.I16, Shape.of(x.length))) {
        assertEquals(Float.NaN, ByteLanes.bytes(x, x.length, 0, to.segment(), 0));
        assertEquals(Float.NaN, ByteLanes.shorts(x, x.length, to.segment(), 0));
      }
    }
  }

  @Test
  void tinyNumbersAreZeros() {
    float[] x = new float[DEPTH];
    x[5] = Float.MIN_VALUE;
    assertArrayEquals(new byte[DEPTH], bytes(x, 0));
  }

  /** The bits of the machine code. */
  @Test
  @DisabledIfSystemProperty(named = SystemCalls.PROPERTY, matches = "false")
  void theMachineCodeMakesTheSame() {
    assumeTrue(Cpuid.features().avx512bw(), "there is no such code here");
    for (int length : new int[] {1, 63, 64, 65, 1000}) {
      float[] x = row(length);
      for (int offset : new int[] {0, 128}) {
        try (var from = Tensor.of(Shape.of(x.length), x);
            var to = Tensor.allocate(DType.I8, Shape.of(x.length));
            var scale = Tensor.allocate(DType.F32, Shape.of(1));
            var a = new Arguments()) {
          long stride = x.length * (long) Float.BYTES;
          ByteRows.quantise(
              DType.F32,
              a,
              from.address(),
              stride,
              to.address(),
              x.length,
              scale.address(),
              1,
              length,
              offset);
          assertArrayEquals(bytes(x, offset), to.segment().toArray(JAVA_BYTE));
          assertEquals(quantised(x).scales()[0], scale.getFloat(0));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void rowsBecomeTiles(int blocks) {
    int width = blocks * DEPTH;
    byte[] given = new byte[ByteWeight.WIDTH * width];
    new Random(SEED).nextBytes(given);
    try (var rows = Tensor.allocate(DType.I8, Shape.of(given.length));
        var to = Tensor.allocate(DType.I8, Shape.of(2, given.length))) {
      rows.segment().asByteBuffer().put(given);
      ByteLanes.transpose(rows.segment(), to.segment(), given.length, blocks);
      assertArrayEquals(new byte[given.length], to.slice(0, 1).segment().toArray(JAVA_BYTE));
      byte[] found = to.slice(1, 2).segment().toArray(JAVA_BYTE);
      for (int n = 0; n < ByteWeight.WIDTH; n++) {
        for (int k = 0; k < width; k++) {
          // [blocks][2][16][16][4]
          int tile = k / DEPTH * 2 + n / 16;
          int place = ((tile * 16 + k % DEPTH / 4) * 16 + n % 16) * 4 + k % 4;
          assertEquals(given[n * width + k], found[place], "output " + n + ", input " + k);
        }
      }
    }
  }
}
