package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The operators that change the positions of a map, or go between them and a row per sample. */
class ResamplingTest {
  private static final int[] CHANNELS = {1, 3, 4, 6, 8, 31, 33, 64, 96, 130};

  /** Batch, height, width; the last is shared by threads. */
  private static final int[][] MAPS = {{1, 1, 1}, {2, 2, 1}, {1, 3, 5}, {3, 4, 2}, {1, 24, 26}};

  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  /** An operator from one tensor to another. */
  private interface Operator {
    void compute(Backend backend, Tensor x, Tensor out);
  }

  /** The backends of one test. */
  private record Pair(Backend oracle, Backend backend) implements AutoCloseable {
    static Pair of(Choice choice) {
      return new Pair(TestBackends.reference(), choice.open());
    }

    @Override
    public void close() {
      oracle.close();
      backend.close();
    }
  }

  private static void compare(
      String what, Pair pair, int[] from, int[] to, double tolerance, Operator operator) {
    var oracle = pair.oracle;
    var backend = pair.backend;
    try (var tensors = new TestTensors()) {
      var x = tensors.random(from);
      var name = what + " from " + x.shape() + " to " + Shape.of(to);
      var expected = tensors.out(to);
      operator.compute(oracle, x, expected);
      var contiguous = tensors.out(to);
      operator.compute(backend, x, contiguous);
      assertClose(name, expected, contiguous, tolerance);
      var view = tensors.outView(to);
      operator.compute(backend, tensors.view(x), view);
      assertSameBits(name + " on views", contiguous, view);
      tensors.assertGuards(name);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void upsampleNearest(Choice choice) {
    try (var pair = Pair.of(choice)) {
      for (int c : CHANNELS) {
        for (int[] m : MAPS) {
          int[] from = {m[0], m[1], m[2], c};
          int[] to = {m[0], 2 * m[1], 2 * m[2], c};
          compare("upsampleNearest", pair, from, to, 0, Backend::upsampleNearest);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void averagePool(Choice choice) {
    try (var pair = Pair.of(choice)) {
      for (int c : CHANNELS) {
        for (int[] m : MAPS) {
          int[] from = {m[0], 2 * m[1], 2 * m[2], c};
          int[] to = {m[0], m[1], m[2], c};
          compare("averagePool", pair, from, to, 2e-7, Backend::averagePool);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void resizeBilinear(Choice choice) {
    try (var pair = Pair.of(choice)) {
      int[][] sizes = {{1, 1}, {2, 3}, {7, 5}, {40, 31}}; // each map meets all of them in turn
      int turn = 0;
      for (int c : CHANNELS) {
        for (int[] m : MAPS) {
          int[] size = sizes[turn++ % sizes.length];
          int[] from = {m[0], m[1], m[2], c};
          int[] to = {m[0], size[0], size[1], c};
          compare("resizeBilinear", pair, from, to, 1e-6, Backend::resizeBilinear);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void resizeToTheSameSizeIsACopy(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.random(2, 5, 7, 3);
      var out = tensors.out(2, 5, 7, 3);
      backend.resizeBilinear(x, out);
      assertSameBits("resizeBilinear", x, out);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void meanOfPositions(Choice choice) {
    try (var pair = Pair.of(choice)) {
      for (int c : CHANNELS) {
        for (int[] m : MAPS) {
          int[] to = {m[0], c};
          int[] map = {m[0], m[1], m[2], c};
          compare("meanOfPositions", pair, map, to, 1e-6, Backend::meanOfPositions);
          int[] tokens = {m[0], 61 * m[1], c};
          compare("meanOfPositions", pair, tokens, to, 1e-6, Backend::meanOfPositions);
        }
      }
    }
  }

  /** 100 000 terms, which a single sum in f32 would round away to the fifth digit. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void meanOfMany(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.out(1, 100_000, 3);
      for (int i = 0; i < x.shape().size(); i++) {
        x.setFloat(i, i % 3 == 0 ? 0.1f : 1000 + i % 2);
      }
      var out = tensors.out(1, 3);
      backend.meanOfPositions(x, out);
      assertClose("meanOfPositions", tensors.of(Shape.of(1, 3), 0.1f, 1000.5f, 1000.5f), out, 1e-7);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void addPerSample(Choice choice) {
    try (var pair = Pair.of(choice)) {
      for (int c : CHANNELS) {
        for (int[] m : MAPS) {
          try (var tensors = new TestTensors()) {
            var backend = pair.backend;
            int[] dims = {m[0], m[1], m[2], c};
            var y = tensors.random(m[0], c);
            compare("addPerSample", pair, dims, dims, 0, (b, x, out) -> b.addPerSample(x, y, out));
            var x = tensors.random(dims);
            var expected = tensors.out(dims);
            backend.addPerSample(x, y, expected);
            var inPlace = tensors.view(x);
            backend.addPerSample(inPlace, tensors.view(y), inPlace);
            assertSameBits("addPerSample in place", expected, inPlace);
            tensors.assertGuards("addPerSample");
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void emptyMaps(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var none = tensors.random(0, 2, 2, 3);
      backend.upsampleNearest(none, tensors.out(0, 4, 4, 3));
      backend.averagePool(none, tensors.out(0, 1, 1, 3));
      backend.resizeBilinear(none, tensors.out(0, 5, 5, 3));
      backend.meanOfPositions(none, tensors.out(0, 3));
      backend.addPerSample(none, tensors.random(0, 3), tensors.out(0, 2, 2, 3));
      var flat = tensors.random(1, 0, 2, 3);
      backend.upsampleNearest(flat, tensors.out(1, 0, 4, 3));
      backend.averagePool(flat, tensors.out(1, 0, 1, 3));
      backend.resizeBilinear(tensors.random(1, 2, 2, 3), tensors.out(1, 0, 5, 3));
    }
  }
}
