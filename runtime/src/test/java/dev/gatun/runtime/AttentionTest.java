package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.TestBackends.Choice;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AttentionTest {
  private static final int[] SIZES = {1, 8, 12, 20, 24, 32, 40, 64, 72, 80, 96, 128};
  private static final int[] TOKENS = {1, 7, 12, 33, 64, 77, 130};
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  /** Not a very small weight, which would depend on how many keys are computed together. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void whatIsHiddenHasNoWeight(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      for (int tokens : new int[] {2, 8, 64, 300}) {
        var qk = tensors.of(Shape.of(1, tokens, 4), new float[tokens * 4]);
        float[] values = new float[tokens * 4];
        Arrays.fill(values, 4, values.length, 1f);
        var v = tensors.of(qk.shape(), values);
        var out = tensors.out(1, tokens, 4);
        backend.attention(qk, qk, v, new AttentionSpec(1, 0.5f, true), out);
        assertEquals(0f, out.getFloat(0), "first of " + tokens + " tokens");
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void everyHeadSizeAndLength(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int s = 0; s < SIZES.length; s++) {
        int size = SIZES[s];
        for (int t = 0; t < TOKENS.length; t++) {
          int heads = 1 + (s + t) % 3;
          int queries = TOKENS[t];
          int keys = TOKENS[(t + s) % TOKENS.length];
          boolean causal = (s + t) % 2 == 0;
          var spec = new AttentionSpec(heads, (float) (1 / Math.sqrt(size)), causal);
          separate(oracle, backend, 2, queries, keys, size, spec);
        }
      }
    }
  }

  private static void separate(
      Backend oracle,
      Backend backend,
      int batch,
      int queries,
      int keys,
      int size,
      AttentionSpec spec) {
    var what = "attention of %d to %d, size %d, %s".formatted(queries, keys, size, spec);
    int channels = spec.heads() * size;
    try (var tensors = new TestTensors()) {
      var q = tensors.random(batch, queries, channels);
      var k = tensors.random(batch, keys, channels);
      var v = tensors.random(batch, keys, channels);
      var expected = tensors.out(batch, queries, channels);
      oracle.attention(q, k, v, spec, expected);
      var out = tensors.outView(batch, queries, channels);
      backend.attention(tensors.view(q), k, tensors.view(v), spec, out);
      assertClose(what, expected, out, 2e-6 * Math.sqrt(Math.max(keys, size)));
      tensors.assertGuards(what);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void packedQkvWithAndWithoutMask(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int tokens : TOKENS) {
        for (boolean causal : new boolean[] {false, true}) {
          packed(oracle, backend, tokens, new AttentionSpec(3, 0.2f, causal));
        }
      }
    }
  }

  private static void packed(Backend oracle, Backend backend, int tokens, AttentionSpec spec) {
    int channels = 72;
    try (var tensors = new TestTensors()) {
      var qkv = tensors.random(3, tokens, 3 * channels);
      var q = tensors.out(3, tokens, channels);
      var k = tensors.out(3, tokens, channels);
      var v = tensors.out(3, tokens, channels);
      oracle.copy(qkv.columns(0, channels), q);
      oracle.copy(qkv.columns(channels, 2 * channels), k);
      oracle.copy(qkv.columns(2 * channels, 3 * channels), v);
      var expected = tensors.out(3, tokens, channels);
      oracle.attention(q, k, v, spec, expected);
      var out = tensors.out(3, tokens, channels);
      backend.attention(
          qkv.columns(0, channels),
          qkv.columns(channels, 2 * channels),
          qkv.columns(2 * channels, 3 * channels),
          spec,
          out);
      assertClose(
          "packed attention of " + tokens + ", " + spec,
          expected,
          out,
          2e-6 * Math.sqrt(Math.max(tokens, channels)));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void largeScoresDoNotOverflow(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      var q = tensors.random(1, 33, 64);
      var k = tensors.random(1, 77, 64);
      var v = tensors.random(1, 77, 64);
      // Scores of a few hundred: exp of them is infinite in f32.
      var spec = new AttentionSpec(2, 100, false);
      var expected = tensors.out(1, 33, 64);
      oracle.attention(q, k, v, spec, expected);
      var out = tensors.out(1, 33, 64);
      backend.attention(q, k, v, spec, out);
      assertClose("attention with large scores", expected, out, 1e-3);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void scoresFarBelowZeroDoNotVanish(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      // Every score is -1000: without its maximum subtracted, a softmax is 0/0.
      var q = tensors.of(Shape.of(1, 1, 1), 1f);
      var k = tensors.of(Shape.of(1, 4, 1), -1000f, -1000f, -1000f, -1000f);
      var v = tensors.of(Shape.of(1, 4, 1), 1f, 2f, 3f, 6f);
      var out = tensors.out(1, 1, 1);
      backend.attention(q, k, v, new AttentionSpec(1, 1, false), out);
      assertClose("attention", tensors.of(Shape.of(1, 1, 1), 3f), out, 1e-6);
    }
  }
}
