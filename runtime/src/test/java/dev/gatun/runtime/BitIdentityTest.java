package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertSameBits;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A row of a result has the same bits alone, among any others, and for any number of threads: which
 * kernel runs, and in which order it sums, must not depend on them.
 */
class BitIdentityTest {
  private static final String NAMES = "dev.gatun.runtime.TestBackends#names";
  private static final int SAMPLES = 5;
  private static final int TOKENS = 13;

  /** An operator on samples {@code from} to {@code to} of its inputs. */
  private interface Samples {
    void compute(Backend backend, int from, int to, Tensor out);
  }

  /** Holds parts of the batch, and other numbers of threads, against the batch on one thread. */
  private static void assertSameForAnyBatchAndThreads(
      String name, TestTensors tensors, String what, int channels, Samples samples) {
    var whole = tensors.out(SAMPLES, TOKENS, channels);
    try (var backend = Backend.open(Device.CPU, name, 1)) {
      samples.compute(backend, 0, SAMPLES, whole);
    }
    for (int threads = 1; threads <= 3; threads++) {
      try (var backend = Backend.open(Device.CPU, name, threads)) {
        for (int from = 0; from < SAMPLES; from++) {
          for (int to = from + 1; to <= SAMPLES; to++) {
            var part = tensors.outView(to - from, TOKENS, channels);
            samples.compute(backend, from, to, part);
            assertSameBits(
                "%s of samples %d to %d, %s with %d threads"
                    .formatted(what, from, to, name, threads),
                whole.slice(from, to),
                part);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void linear(String name) {
    int[][] sizes = {{1, 3}, {33, 17}, {100, 72}, {384, 384}};
    for (int[] size : sizes) {
      int in = size[0];
      int out = size[1];
      try (var tensors = new TestTensors()) {
        var x = tensors.random(SAMPLES, TOKENS, in);
        var matrix = tensors.random(out, in);
        var epilogue = new Epilogue(tensors.random(out), Activation.GELU_TANH);
        var gate = tensors.random(SAMPLES, out);
        var positions = tensors.random(TOKENS, out);
        assertSameForAnyBatchAndThreads(
            name,
            tensors,
            "linear from " + in + " to " + out,
            out,
            (backend, from, to, part) -> {
              try (var weight = backend.pack(matrix)) {
                backend.linear(
                    x.slice(from, to), weight, epilogue, gate.slice(from, to), positions, part);
              }
            });
      }
    }
  }

  /** A batch of one row is the time embedding of every network: the smallest product there is. */
  @ParameterizedTest
  @MethodSource(NAMES)
  void linearOfSingleRows(String name) {
    int rows = 50;
    int in = 129;
    int out = 100;
    try (var tensors = new TestTensors()) {
      var x = tensors.random(rows, in);
      var matrix = tensors.random(out, in);
      var whole = tensors.out(rows, out);
      try (var backend = Backend.open(Device.CPU, name, 1);
          var weight = backend.pack(matrix)) {
        backend.linear(x, weight, Epilogue.NONE, whole);
      }
      for (int threads = 1; threads <= 3; threads++) {
        try (var backend = Backend.open(Device.CPU, name, threads);
            var weight = backend.pack(matrix)) {
          for (int r = 0; r < rows; r++) {
            var row = tensors.out(1, out);
            backend.linear(x.slice(r, r + 1), weight, Epilogue.NONE, row);
            assertSameBits("row " + r + " of linear alone", whole.slice(r, r + 1), row);
          }
          for (int count : new int[] {2, 7, 12, 13, 25, 49}) {
            var some = tensors.out(count, out);
            backend.linear(x.slice(rows - count, rows), weight, Epilogue.NONE, some);
            assertSameBits("last " + count + " rows", whole.slice(rows - count, rows), some);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void attention(String name) {
    int[][] headsAndSizes = {{1, 1}, {3, 12}, {2, 72}, {4, 64}};
    for (int[] choice : headsAndSizes) {
      for (boolean causal : new boolean[] {false, true}) {
        int channels = choice[0] * choice[1];
        var spec = new AttentionSpec(choice[0], 0.3f, causal);
        try (var tensors = new TestTensors()) {
          var q = tensors.random(SAMPLES, TOKENS, channels);
          var kv = tensors.random(SAMPLES, 33, 2 * channels);
          assertSameForAnyBatchAndThreads(
              name,
              tensors,
              "attention, " + spec,
              channels,
              (backend, from, to, part) ->
                  backend.attention(
                      q.slice(from, to),
                      kv.columns(0, channels).slice(from, to),
                      kv.columns(channels, 2 * channels).slice(from, to),
                      spec,
                      part));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void layerNorm(String name) {
    for (int channels : new int[] {1, 17, 100, 384}) {
      try (var tensors = new TestTensors()) {
        var x = tensors.random(SAMPLES, TOKENS, channels);
        var gamma = tensors.random(channels);
        var beta = tensors.random(channels);
        var shift = tensors.random(SAMPLES, channels);
        var scale = tensors.random(SAMPLES, channels);
        assertSameForAnyBatchAndThreads(
            name,
            tensors,
            "layerNorm of " + channels,
            channels,
            (backend, from, to, part) ->
                backend.layerNorm(
                    x.slice(from, to),
                    gamma,
                    beta,
                    shift.slice(from, to),
                    scale.slice(from, to),
                    1e-6f,
                    part));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void pointwise(String name) {
    // An odd width, so an element lies in another lane when its sample is another one of the batch.
    for (int channels : new int[] {1, 17, 100}) {
      try (var tensors = new TestTensors()) {
        var x = tensors.random(SAMPLES, TOKENS, channels);
        var y = tensors.random(SAMPLES, TOKENS, channels);
        var z = tensors.random(SAMPLES, TOKENS, channels);
        for (var activation : Activation.values()) {
          assertSameForAnyBatchAndThreads(
              name,
              tensors,
              activation.toString(),
              channels,
              (backend, from, to, part) -> backend.activate(activation, x.slice(from, to), part));
        }
        assertSameForAnyBatchAndThreads(
            name,
            tensors,
            "exp",
            channels,
            (backend, from, to, part) -> backend.exp(3, x.slice(from, to), 0.1, part));
        assertSameForAnyBatchAndThreads(
            name,
            tensors,
            "multiplyAdd",
            channels,
            (backend, from, to, part) ->
                backend.multiplyAdd(x.slice(from, to), y.slice(from, to), z.slice(from, to), part));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void timestepEmbedding(String name) {
    try (var tensors = new TestTensors();
        var backend = Backend.open(Device.CPU, name, 2)) {
      // Equal neighbours may be copied, but not a zero for a negative zero.
      var t = tensors.of(Shape.of(5), 7f, 7f, 0f, -0f, 7f);
      var whole = tensors.out(5, 33);
      backend.timestepEmbedding(t, 10000, whole);
      for (int n = 0; n < 5; n++) {
        var alone = tensors.out(1, 33);
        backend.timestepEmbedding(tensors.of(Shape.of(1), t.getFloat(n)), 10000, alone);
        assertSameBits("time " + t.getFloat(n) + " alone", whole.slice(n, n + 1), alone);
      }
    }
  }
}
