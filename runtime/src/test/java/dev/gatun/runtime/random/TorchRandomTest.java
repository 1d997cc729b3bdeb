package dev.gatun.runtime.random;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class TorchRandomTest {
  private static final Pattern CASE = Pattern.compile("(\\w+)/seed=(\\d+)/n=(\\d+)");

  /** Every tensor of the golden file but the sequence comes from a fresh generator. */
  @TestFactory
  Iterable<DynamicTest> drawsWhatTorchDraws() throws IOException {
    var golden = new Golden("torch-cpu-random.io.safetensors");
    var tests =
        golden.names().stream()
            .map(CASE::matcher)
            .filter(name -> name.matches())
            .map(
                name ->
                    DynamicTest.dynamicTest(
                        name.group(),
                        () ->
                            compare(
                                golden,
                                name.group(),
                                name.group(1),
                                Long.parseLong(name.group(2)),
                                Integer.parseInt(name.group(3)))))
            .toList();
    assertEquals(24, tests.size());
    return tests;
  }

  private static void compare(Golden golden, String name, String kind, long seed, int n) {
    var random = new TorchRandom(seed);
    switch (kind) {
      case "rand" -> {
        var found = new float[n];
        random.uniform(found, 0, n);
        assertArrayEquals(golden.floats(name), found, name);
      }
      case "randn" -> {
        var found = new float[n];
        random.normal(found, 0, n);
        assertArrayEquals(golden.floats(name), found, 1e-6f, name);
      }
      case "randint1000" -> {
        var found = new long[n];
        random.integers(0, 1000, found, 0, n);
        assertArrayEquals(golden.longs(name), found, name);
      }
      default -> throw new AssertionError(name);
    }
  }

  @Test
  void oneGeneratorGoesOnFromCallToCall() throws IOException {
    var expected = new Golden("torch-cpu-random.io.safetensors").floats("sequence/seed=3");
    var found = new float[expected.length];
    var random = new TorchRandom(3);
    int from = 0;
    for (int n : new int[] {7, 33, 2, 64}) {
      random.normal(found, from, n);
      from += n;
    }
    assertEquals(found.length, from);
    assertArrayEquals(expected, found, 1e-6f);
  }

  /** The well-known first numbers of {@code torch.manual_seed(0)}, all with the short path. */
  @Test
  void f64SharesTheSpareNumberWithF32() {
    var random = new TorchRandom(0);
    var single = new float[1];
    var wide = new double[3];
    random.normal(single, 0, 1);
    random.uniform(new float[4], 0, 0);
    random.normal(wide, 0, 3);
    assertEquals(1.5410, single[0], 5e-5);
    assertArrayEquals(new double[] {-.2934, -2.1788, .5684}, wide, 5e-5);
  }

  @Test
  void theSpareNumberSurvivesOtherCalls() {
    var random = new TorchRandom(5);
    var plain = new TorchRandom(5);
    var first = new double[2];
    plain.normal(first, 0, 2);

    var found = new double[2];
    random.normal(found, 0, 1);
    random.uniform(new double[3], 0, 3);
    random.integers(0, 9, new long[2], 0, 2);
    random.normal(new float[16], 0, 16);
    random.normal(found, 1, 1);
    assertArrayEquals(first, found);
  }

  /** Bits per number: 53 from two words, high word first, the low 24 of one. */
  @Test
  void uniformNumbersTakeTheLowBits() {
    var bits = new MersenneTwister(77);
    var doubles = new double[5];
    new TorchRandom(77).uniform(doubles, 0, 5);
    for (double found : doubles) {
      assertEquals((bits.next64() & ((1L << 53) - 1)) / (double) (1L << 53), found);
    }
  }

  @Test
  void longTensorsInF64AreBlocksOfUniformNumbers() {
    int n = 37;
    var uniform = new double[n + 16];
    new TorchRandom(8).uniform(uniform, 0, n + 16);
    var found = new double[n];
    new TorchRandom(8).normal(found, 0, n);
    for (int i = 0; i < n; i++) {
      // the last 16 numbers are the 16 uniform ones drawn after all others
      int block = i >= n - 16 ? n : i / 16 * 16;
      int j = i >= n - 16 ? i - (n - 16) : i % 16;
      double radius = Math.sqrt(-2 * Math.log(1 - uniform[block + j % 8]));
      double angle = 2 * Math.PI * uniform[block + 8 + j % 8];
      assertEquals(radius * (j < 8 ? Math.cos(angle) : Math.sin(angle)), found[i], 1e-14, "i=" + i);
    }
  }

  @Test
  void wideRangesTake64Bits() {
    for (long range : new long[] {(1L << 28) - 1, 1L << 28, (1L << 40) + 7, -1L >>> 1, -5}) {
      var bits = new MersenneTwister(13);
      long low = range < 0 ? Long.MIN_VALUE : -3;
      var found = new long[9];
      new TorchRandom(13).integers(low, low + range, found, 0, 9);
      for (long value : found) {
        long draw =
            Long.compareUnsigned(range, 1L << 28) < 0 ? bits.next32() & 0xFFFFFFFFL : bits.next64();
        assertEquals(low + Long.remainderUnsigned(draw, range), value, "range " + range);
      }
    }
  }

  @Test
  void writesTheRangeOnly() {
    var out = new float[40];
    Arrays.fill(out, 9f);
    var random = new TorchRandom(1);
    random.normal(out, 3, 33);
    var expected = new float[33];
    new TorchRandom(1).normal(expected, 0, 33);
    assertArrayEquals(expected, Arrays.copyOfRange(out, 3, 36));
    assertArrayEquals(new float[] {9, 9, 9}, Arrays.copyOf(out, 3));
    assertArrayEquals(new float[] {9, 9, 9, 9}, Arrays.copyOfRange(out, 36, 40));

    assertThrows(IndexOutOfBoundsException.class, () -> random.normal(out, 8, 33));
    assertThrows(IndexOutOfBoundsException.class, () -> random.uniform(out, -1, 2));
    var error =
        assertThrows(
            IllegalArgumentException.class, () -> random.integers(4, 4, new long[1], 0, 1));
    assertTrue(error.getMessage().contains("low is 4"), error.getMessage());
  }

  @Test
  void seedsCountByTheirLow32Bits() {
    assertArrayEquals(normal(new TorchRandom(-1)), normal(new TorchRandom(0xFFFFFFFFL)));
    assertArrayEquals(normal(new TorchRandom(1L << 40 | 3)), normal(new TorchRandom(3)));
  }

  @Test
  void streamsDifferInEveryBitOfSeedAndIndex() {
    var base = normal(TorchRandom.stream(0, 0));
    assertArrayEquals(base, normal(TorchRandom.stream(0, 0)));
    for (int bit = 0; bit < Long.SIZE; bit++) {
      var seed = normal(TorchRandom.stream(1L << bit, 0));
      var index = normal(TorchRandom.stream(0, 1L << bit));
      assertFalse(Arrays.equals(base, seed), "seed bit " + bit);
      assertFalse(Arrays.equals(base, index), "index bit " + bit);
      assertFalse(Arrays.equals(seed, index), "bit " + bit);
    }
  }

  private static float[] normal(TorchRandom random) {
    var out = new float[20];
    random.normal(out, 0, 20);
    return out;
  }
}
