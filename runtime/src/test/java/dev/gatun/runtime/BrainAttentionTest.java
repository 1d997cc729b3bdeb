package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Attention in bf16: what the oracle gives for operands that are rounded to bf16 before, up to the
 * rounding of the weights of the softmax.
 */
class BrainAttentionTest {
  /** The weights, each 2⁻⁹ off at the most, of values up to 1. */
  private static final double TOLERANCE = 4e-3;

  @BeforeEach
  void available() {
    BrainTest.assumeAvailable();
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 1",
    "1, 1, 3, 2, 5",
    "1, 31, 31, 1, 31",
    "2, 32, 32, 2, 32",
    "2, 33, 33, 3, 33",
    "1, 64, 64, 1, 64",
    "1, 65, 130, 2, 72",
    "2, 100, 77, 4, 16",
    "1, 256, 256, 2, 72",
    "1, 1, 300, 2, 40",
    "1, 300, 1, 2, 40",
    "1, 70, 1100, 1, 8",
    "1, 40, 40, 1, 512"
  })
  void everySize(int samples, int queries, int keys, int heads, int size) {
    compare(samples, queries, keys, heads, size, false, 1);
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1, 8", "2, 31, 2, 8", "1, 33, 1, 40", "1, 77, 3, 64", "1, 300, 1, 16"})
  void causal(int samples, int tokens, int heads, int size) {
    compare(samples, tokens, tokens, heads, size, true, 1);
  }

  /** Scores so far apart that most weights are nothing, and sums overflow without the maximum. */
  @Test
  void steep() {
    compare(1, 50, 90, 1, 33, false, 40);
    compare(1, 50, 50, 1, 33, true, 40);
  }

  private static void compare(
      int samples, int queries, int keys, int heads, int size, boolean causal, int steepness) {
    var what = queries + " by " + keys + " of " + size;
    int width = heads * size;
    var spec = new AttentionSpec(heads, (float) (steepness / Math.sqrt(size)), causal);
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2);
        var tensors = new TestTensors()) {
      var q = tensors.random(samples, queries, width);
      var k = tensors.random(samples, keys, width);
      var v = tensors.random(samples, keys, width);
      var expected = tensors.out(samples, queries, width);
      expect(tensors, oracle, q, k, v, spec, expected);
      var found = tensors.outView(samples, queries, width);
      backend.attention(tensors.view(q), tensors.view(k), tensors.view(v), spec, found);
      assertClose(what, expected, found, TOLERANCE);
      tensors.assertGuards(what);
    }
  }

  /** What the oracle makes of rounded operands. */
  private static void expect(
      TestTensors tensors,
      Backend oracle,
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor out) {
    oracle.attention(
        BrainTest.rounded(tensors, oracle, q),
        BrainTest.rounded(tensors, oracle, k),
        BrainTest.rounded(tensors, oracle, v),
        spec,
        out);
  }

  /** In windows, with a relative bias or without one. */
  @ParameterizedTest
  @CsvSource({
    "1, 4, 4, 2, 1, 8",
    "2, 4, 8, 4, 2, 33",
    "1, 5, 3, 1, 2, 16",
    "1, 9, 6, 3, 3, 12",
    "1, 11, 11, 11, 2, 72",
    "2, 16, 16, 16, 1, 40",
    "1, 16, 8, 8, 2, 64",
    "1, 24, 24, 24, 1, 72"
  })
  void windows(int samples, int height, int width, int side, int heads, int size) {
    int tokens = height * width;
    int channels = heads * size;
    for (boolean biased : new boolean[] {false, true}) {
      try (var oracle = TestBackends.reference();
          var backend = BrainTest.open(2);
          var tensors = new TestTensors()) {
        var what = "%dx%d by %d of %d, bias %b".formatted(height, width, side, size, biased);
        var q = tensors.random(samples, tokens, channels);
        var k = tensors.random(samples, tokens, channels);
        var v = tensors.random(samples, tokens, channels);
        var bias = biased ? tensors.random(heads, (2 * side - 1) * (2 * side - 1)) : null;
        var grid = new AttentionSpec.Windows(height, width, side);
        var spec = AttentionSpec.of(heads, size).inWindows(grid, bias);
        var expected = tensors.out(samples, tokens, channels);
        expect(tensors, oracle, q, k, v, spec, expected);
        var found = tensors.outView(samples, tokens, channels);
        var viewed = biased ? spec.inWindows(grid, tensors.view(bias)) : spec;
        backend.attention(tensors.view(q), tensors.view(k), tensors.view(v), viewed, found);
        assertClose(what, expected, found, TOLERANCE);
        tensors.assertGuards(what);
        var rounded = tensors.allocate(DType.BF16, samples, tokens, channels);
        backend.attention(q, k, v, spec, rounded);
        var wide = tensors.allocate(DType.F32, samples, tokens, channels);
        oracle.copy(rounded, wide);
        assertSameBits(what + ", rounded", BrainTest.rounded(tensors, oracle, found), wide);
      }
    }
  }

  @Test
  void nothing() {
    compare(2, 0, 5, 2, 16, false, 1);
    compare(0, 4, 5, 2, 16, false, 1);
  }

  /** With a negative scale the largest score has the least weight; f32 computes that. */
  @Test
  void upsideDown() {
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2);
        var tensors = new TestTensors()) {
      var q = tensors.random(1, 40, 33);
      var k = tensors.random(1, 70, 33);
      var v = tensors.random(1, 70, 33);
      var spec = new AttentionSpec(1, -60, false);
      var expected = tensors.out(1, 40, 33);
      oracle.attention(q, k, v, spec, expected);
      var found = tensors.out(1, 40, 33);
      backend.attention(q, k, v, spec, found);
      assertClose("a negative scale", expected, found, 1e-4);
    }
  }

  /** A head has the same bits for any number of threads, samples and queries. */
  @Test
  void bits() {
    try (var tensors = new TestTensors();
        var one = BrainTest.open(1);
        var two = BrainTest.open(2)) {
      var q = tensors.random(3, 90, 80);
      var k = tensors.random(3, 70, 80);
      var v = tensors.random(3, 70, 80);
      var spec = AttentionSpec.of(2, 40);
      var all = tensors.out(3, 90, 80);
      one.attention(q, k, v, spec, all);
      var parallel = tensors.out(3, 90, 80);
      two.attention(q, k, v, spec, parallel);
      assertSameBits("two threads", all, parallel);
      var alone = tensors.out(1, 90, 80);
      two.attention(q.slice(1, 2), k.slice(1, 2), v.slice(1, 2), spec, alone);
      assertSameBits("a sample", all.slice(1, 2), alone);
    }
  }

  /** The tolerance above would let f32 pass; so this sees that something else computed. */
  @Test
  void itIsNotF32() {
    try (var tensors = new TestTensors();
        var f32 = Backend.open(Device.CPU, "cpu", Precision.F32, 1);
        var bf16 = BrainTest.open(1)) {
      var q = tensors.random(1, 33, 40);
      var k = tensors.random(1, 65, 40);
      var v = tensors.random(1, 65, 40);
      var exact = tensors.out(1, 33, 40);
      f32.attention(q, k, v, AttentionSpec.of(1, 40), exact);
      var rounded = tensors.out(1, 33, 40);
      bf16.attention(q, k, v, AttentionSpec.of(1, 40), rounded);
      double largest = 0;
      for (int i = 0; i < 33 * 40; i++) {
        largest = Math.max(largest, Math.abs(exact.getFloat(i) - rounded.getFloat(i)));
      }
      assertTrue(largest > 1e-5, "differs by " + largest + " only");
    }
  }

  /** What is no number reaches the queries that see it, and no other. */
  @Test
  void notNumbers() {
    try (var tensors = new TestTensors();
        var backend = BrainTest.open(1)) {
      var q = tensors.random(1, 40, 8);
      var k = tensors.random(1, 40, 8);
      var v = tensors.random(1, 40, 8);
      k.setFloat(35 * 8, Float.NaN);
      var out = tensors.out(1, 40, 8);
      backend.attention(q, k, v, AttentionSpec.of(1, 8).withCausalMask(), out);
      for (int i = 0; i < 40 * 8; i++) {
        boolean sees = i / 8 >= 35;
        assertEquals(sees, Float.isNaN(out.getFloat(i)), "at " + i);
      }
    }
  }
}
