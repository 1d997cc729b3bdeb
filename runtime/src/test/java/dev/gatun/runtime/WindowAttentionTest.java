package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.AttentionSpec.Windows;
import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Attention in windows of a grid, held against the formula on coordinates. */
class WindowAttentionTest {
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";
  private static final String NAMES = "dev.gatun.runtime.TestBackends#names";

  private static final Windows[] GRIDS = {
    new Windows(4, 4, 2),
    new Windows(4, 4, 4),
    new Windows(4, 8, 4),
    new Windows(8, 4, 2),
    new Windows(8, 8, 8),
    new Windows(16, 8, 8),
    new Windows(9, 6, 3),
    new Windows(5, 3, 1),
    new Windows(11, 11, 11),
    new Windows(16, 16, 16),
  };

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void everyGridHeadSizeAndBias(Choice choice) {
    try (var backend = choice.open()) {
      for (int g = 0; g < GRIDS.length; g++) {
        int[] sizes = {12, 72, 33, 1, 64};
        for (int s = 0; s < 2; s++) {
          int size = sizes[(g + s) % sizes.length];
          int heads = 1 + (g + s) % 3;
          compare(backend, GRIDS[g], heads, size, true);
          compare(backend, GRIDS[g], heads, size, false);
        }
      }
    }
  }

  private static void compare(
      Backend backend, Windows grid, int heads, int size, boolean withBias) {
    int tokens = grid.height() * grid.width();
    int channels = heads * size;
    try (var tensors = new TestTensors()) {
      var qkv = tensors.random(2, tokens, 3 * channels);
      var q = qkv.columns(0, channels);
      var k = qkv.columns(channels, 2 * channels);
      var v = qkv.columns(2 * channels, 3 * channels);
      var spec = spec(tensors, grid, heads, size, withBias);
      var expected = tensors.out(2, tokens, channels);
      formula(q, k, v, spec, expected);
      var out = tensors.outView(2, tokens, channels);
      backend.attention(q, k, v, spec, out);
      var what =
          "attention of %d heads of %d in %s, bias: %s".formatted(heads, size, grid, withBias);
      assertClose(what, expected, out, 2e-6 * Math.sqrt(Math.max(grid.area(), size)));
      tensors.assertGuards(what);
    }
  }

  private static AttentionSpec spec(
      TestTensors tensors, Windows grid, int heads, int size, boolean withBias) {
    int distances = 2 * grid.side() - 1;
    var bias = withBias ? tensors.view(tensors.random(heads, distances * distances)) : null;
    return AttentionSpec.of(heads, size).inWindows(grid, bias);
  }

  /** For each query, all tokens of the grid that lie in its window. */
  private static void formula(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    int tokens = q.dim(1);
    int size = q.dim(2) / spec.heads();
    var queries = q.toFloats();
    var keys = k.toFloats();
    var values = v.toFloats();
    var bias = spec.relativeBias() == null ? null : spec.relativeBias().toFloats();
    double[] weights = new double[tokens];
    for (int n = 0; n < q.dim(0); n++) {
      for (int head = 0; head < spec.heads(); head++) {
        int first = n * tokens * q.dim(2) + head * size;
        for (int i = 0; i < tokens; i++) {
          int query = first + i * q.dim(2);
          double sum = 0;
          for (int j = 0; j < tokens; j++) {
            weights[j] = 0;
            if (sees(spec.windows(), i, j)) {
              double score = spec.scale() * dot(queries, query, keys, first + j * q.dim(2), size);
              weights[j] = Math.exp(bias == null ? score : score + bias(bias, spec, head, i, j));
              sum += weights[j];
            }
          }
          for (int d = 0; d < size; d++) {
            double y = 0;
            for (int j = 0; j < tokens; j++) {
              y += weights[j] * values[first + j * q.dim(2) + d];
            }
            out.setFloat(query + d, (float) (y / sum));
          }
        }
      }
    }
  }

  private static boolean sees(Windows grid, int i, int j) {
    int side = grid.side();
    return i / grid.width() / side == j / grid.width() / side
        && i % grid.width() / side == j % grid.width() / side;
  }

  private static double dot(float[] x, int at, float[] y, int with, int size) {
    double product = 0;
    for (int d = 0; d < size; d++) {
      product += (double) x[at + d] * y[with + d];
    }
    return product;
  }

  /** By the coordinates of both tokens in the whole grid: only their difference matters. */
  private static float bias(float[] bias, AttentionSpec spec, int head, int i, int j) {
    int side = spec.windows().side();
    int width = spec.windows().width();
    int down = i / width - j / width + side - 1;
    int right = i % width - j % width + side - 1;
    int distances = 2 * side - 1;
    return bias[(head * distances + down) * distances + right];
  }

  /** As in DiffiT-512, the whole grid is one window, whose keys come in several blocks. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void aWindowOfManyBlocks(Choice choice) {
    try (var backend = choice.open()) {
      compare(backend, new Windows(24, 24, 24), 1, 72, true);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void withoutBiasAWholeGridIsPlainAttention(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var q = tensors.random(2, 144, 2 * 20);
      var k = tensors.random(2, 144, 2 * 20);
      var v = tensors.random(2, 144, 2 * 20);
      var plain = AttentionSpec.of(2, 20);
      var expected = tensors.out(2, 144, 2 * 20);
      backend.attention(q, k, v, plain, expected);
      var out = tensors.out(2, 144, 2 * 20);
      backend.attention(q, k, v, plain.inWindows(new Windows(12, 12, 12), null), out);
      assertSameBits("attention in one window", expected, out);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.gatun.runtime.TestBackends#hostNames")
  void bitsDependNeitherOnBatchNorThreads(String name) {
    int samples = 3;
    int heads = 3;
    int size = 33;
    int channels = heads * size;
    for (int g = 2; g < GRIDS.length - 1; g += 2) {
      var grid = GRIDS[g];
      int tokens = grid.height() * grid.width();
      try (var tensors = new TestTensors()) {
        var q = tensors.random(samples, tokens, channels);
        var k = tensors.random(samples, tokens, channels);
        var v = tensors.random(samples, tokens, channels);
        var spec = spec(tensors, grid, heads, size, true);
        var whole = tensors.out(samples, tokens, channels);
        try (var backend = Backend.open(Device.CPU, name, 1)) {
          backend.attention(q, k, v, spec, whole);
        }
        for (int threads = 1; threads <= 3; threads++) {
          try (var backend = Backend.open(Device.CPU, name, threads)) {
            for (int from = 0; from < samples; from++) {
              var part = tensors.outView(samples - from, tokens, channels);
              backend.attention(
                  q.slice(from, samples),
                  k.slice(from, samples),
                  v.slice(from, samples),
                  spec,
                  part);
              assertSameBits(
                  "attention in %s, %s with %d threads, from sample %d"
                      .formatted(grid, name, threads, from),
                  whole.slice(from, samples),
                  part);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void refusals(String name) {
    try (var backend = TestBackends.open(name, 1);
        var tensors = new TestTensors()) {
      var x = tensors.random(1, 16, 6);
      var out = tensors.out(1, 16, 6);
      var plain = AttentionSpec.of(2, 3);
      var error =
          assertThrows(
              IllegalArgumentException.class,
              () -> backend.attention(x, x, x, plain.inWindows(new Windows(4, 8, 4), null), out));
      assertEquals(
          "attention: q is [1, 16, 6], expected [1, 32, 6] for windows on a grid of 4x8",
          error.getMessage());
      var fewer = tensors.random(1, 8, 6);
      error =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  backend.attention(
                      x, fewer, fewer, plain.inWindows(new Windows(4, 4, 2), null), out));
      assertEquals(
          "attention: k is [1, 8, 6], expected [1, 16, 6] for windows on a grid of 4x4",
          error.getMessage());
      var bias = tensors.random(2, 16);
      error =
          assertThrows(
              IllegalArgumentException.class,
              () -> backend.attention(x, x, x, plain.inWindows(new Windows(4, 4, 2), bias), out));
      assertEquals("attention: relativeBias is [2, 16], expected [2, 9]", error.getMessage());
      for (long i = 0; i < out.shape().size(); i++) {
        assertTrue(Float.isNaN(out.getFloat(i)), "a refused attention has written");
      }
    }
  }
}
