package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The gradient operators: on the reference against finite differences of the forward operators, on
 * every backend against the reference.
 */
class GradientTest {
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";
  private static final String NAMES = "dev.gatun.runtime.TestBackends#names";
  private static final double DIFFERENCES = 2e-4;

  // ------------------------------------------------------------------------ linear

  @Test
  void linearAgainstDifferences() {
    try (var oracle = TestBackends.reference();
        var tensors = new TestTensors();
        var weight = oracle.pack(tensors.random(5, 7))) {
      var x = tensors.random(3, 7);
      var dy = tensors.random(3, 5);
      var dx = tensors.out(3, 7);
      oracle.linearGradient(dy, weight, dx);
      Differences.assertGradient(
          "linear", out -> oracle.linear(x, weight, Epilogue.NONE, out), x, dy, dx, DIFFERENCES);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void linear(Choice choice) {
    int[][] sizes = {{1, 1}, {3, 17}, {33, 5}, {100, 72}, {129, 400}, {400, 129}};
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int[] size : sizes) {
        int in = size[0];
        int out = size[1];
        try (var tensors = new TestTensors()) {
          var matrix = tensors.random(out, in);
          var dy = tensors.random(2, 13, out);
          var expected = tensors.out(2, 13, in);
          var dx = tensors.outView(2, 13, in);
          try (var weight = oracle.pack(matrix)) {
            oracle.linearGradient(dy, weight, expected);
          }
          try (var weight = backend.pack(matrix)) {
            backend.linearGradient(tensors.view(dy), weight, dx);
            assertClose("linearGradient", expected, dx, 2e-6 * Math.sqrt(out));
            // The weight itself is what it was, and its second form is found again.
            backend.linearGradient(dy, weight, dx);
            assertClose("linearGradient", expected, dx, 2e-6 * Math.sqrt(out));
            var y = tensors.out(2, 13, out);
            backend.linear(expected, weight, Epilogue.NONE, y);
            var z = tensors.out(2, 13, out);
            try (var again = oracle.pack(matrix)) {
              oracle.linear(expected, again, Epilogue.NONE, z);
            }
            assertClose("linear after its gradient", z, y, 2e-6 * Math.sqrt(in));
          }
          tensors.assertGuards("linearGradient");
        }
      }
    }
  }

  // ------------------------------------------------------------------------ conv2d

  /** Height, width, kernel height, kernel width, stride, top, left, bottom, right. */
  private static final int[][] CONVOLUTIONS = {
    {5, 4, 3, 3, 1, 1, 1, 1, 1},
    {4, 5, 1, 1, 1, 0, 0, 0, 0},
    {6, 6, 3, 3, 2, 1, 1, 1, 1},
    {6, 8, 3, 3, 2, 0, 0, 1, 1},
    {7, 5, 2, 3, 1, 0, 2, 1, 0},
    {8, 8, 4, 4, 4, 0, 0, 0, 0},
    {9, 7, 3, 2, 3, 2, 3, 4, 1},
    {3, 3, 1, 1, 1, 2, 1, 0, 1},
    {8, 7, 1, 1, 2, 0, 0, 0, 0},
  };

  private static Conv2dSpec spec(int[] c) {
    return new Conv2dSpec(c[4], c[5], c[6], c[7], c[8]);
  }

  @Test
  void conv2dAgainstDifferences() {
    try (var oracle = TestBackends.reference()) {
      for (int[] c : CONVOLUTIONS) {
        try (var tensors = new TestTensors();
            var kernel = oracle.packKernel(tensors.random(3, 2, c[2], c[3]))) {
          var spec = spec(c);
          var x = tensors.random(2, c[0], c[1], 2);
          int height = spec.outHeight(c[0], c[2]);
          int width = spec.outWidth(c[1], c[3]);
          var dy = tensors.random(2, height, width, 3);
          var dx = tensors.out(2, c[0], c[1], 2);
          oracle.conv2dGradient(dy, kernel, spec, dx);
          Differences.assertGradient(
              "conv2d, " + spec,
              out -> oracle.conv2d(x, kernel, spec, Epilogue.NONE, out),
              x,
              dy,
              dx,
              DIFFERENCES);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void conv2d(Choice choice) {
    int[][] channels = {{3, 17}, {33, 1}, {20, 72}};
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int[] c : CONVOLUTIONS) {
        for (int[] inOut : channels) {
          int in = inOut[0];
          int out = inOut[1];
          try (var tensors = new TestTensors()) {
            var spec = spec(c);
            var matrix = tensors.random(out, in, c[2], c[3]);
            int height = spec.outHeight(c[0], c[2]);
            int width = spec.outWidth(c[1], c[3]);
            var dy = tensors.random(2, height, width, out);
            var expected = tensors.out(2, c[0], c[1], in);
            var dx = tensors.outView(2, c[0], c[1], in);
            try (var kernel = oracle.packKernel(matrix)) {
              oracle.conv2dGradient(dy, kernel, spec, expected);
            }
            try (var kernel = backend.packKernel(matrix)) {
              backend.conv2dGradient(tensors.view(dy), kernel, spec, dx);
            }
            var what = "conv2dGradient of %d to %d, %s".formatted(in, out, spec);
            assertClose(what, expected, dx, 2e-6 * Math.sqrt(9.0 * out));
            tensors.assertGuards(what);
          }
        }
      }
    }
  }

  // ------------------------------------------------------------------------ attention

  @Test
  void attentionAgainstDifferences() {
    try (var oracle = TestBackends.reference()) {
      for (boolean causal : new boolean[] {false, true}) {
        try (var tensors = new TestTensors()) {
          var spec = new AttentionSpec(2, 0.7f, causal);
          var q = tensors.random(2, 3, 8);
          var k = tensors.random(2, 5, 8);
          var v = tensors.random(2, 5, 8);
          var dOut = tensors.random(2, 3, 8);
          var dq = tensors.out(2, 3, 8);
          var dk = tensors.out(2, 5, 8);
          var dv = tensors.out(2, 5, 8);
          oracle.attentionGradient(q, k, v, spec, dOut, dq, dk, dv);
          Differences.Function f = out -> oracle.attention(q, k, v, spec, out);
          Differences.assertGradient("attention, dq", f, q, dOut, dq, DIFFERENCES);
          Differences.assertGradient("attention, dk", f, k, dOut, dk, DIFFERENCES);
          Differences.assertGradient("attention, dv", f, v, dOut, dv, DIFFERENCES);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void attention(Choice choice) {
    int[] sizes = {1, 12, 33, 64};
    int[] tokens = {1, 7, 33, 130, 400};
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int s = 0; s < sizes.length; s++) {
        for (int t = 0; t < tokens.length; t++) {
          var spec =
              new AttentionSpec(
                  1 + (s + t) % 3, (float) (1 / Math.sqrt(sizes[s])), (s + t) % 2 == 0);
          attention(oracle, backend, sizes[s], tokens[t], tokens[(t + s) % tokens.length], spec);
        }
      }
      attention(oracle, backend, 400, 33, 20, AttentionSpec.of(2, 400));
    }
  }

  private static void attention(
      Backend oracle, Backend backend, int size, int queries, int keys, AttentionSpec spec) {
    int channels = spec.heads() * size;
    try (var tensors = new TestTensors()) {
      var q = tensors.random(2, queries, channels);
      var k = tensors.random(2, keys, channels);
      var v = tensors.random(2, keys, channels);
      var dOut = tensors.random(2, queries, channels);
      var eq = tensors.out(2, queries, channels);
      var ek = tensors.out(2, keys, channels);
      var ev = tensors.out(2, keys, channels);
      oracle.attentionGradient(q, k, v, spec, dOut, eq, ek, ev);
      var dq = tensors.outView(2, queries, channels);
      var dk = tensors.outView(2, keys, channels);
      var dv = tensors.outView(2, keys, channels);
      backend.attentionGradient(
          tensors.view(q), k, tensors.view(v), spec, tensors.view(dOut), dq, dk, dv);
      var what = "attentionGradient of %d to %d, size %d, %s".formatted(queries, keys, size, spec);
      double tolerance = 4e-6 * Math.sqrt(Math.max(Math.max(queries, keys), size));
      // With one visible key its weight is 1, whatever q and k are, and there is only noise.
      if (keys > 1 && !(spec.causal() && queries == 1)) {
        assertClose(what + ", dq", eq, dq, tolerance);
        assertClose(what + ", dk", ek, dk, tolerance);
      }
      assertClose(what + ", dv", ev, dv, tolerance);
      tensors.assertGuards(what);
    }
  }

  // ------------------------------------------------------------------------ groupNorm

  @Test
  void groupNormAgainstDifferences() {
    try (var oracle = TestBackends.reference()) {
      for (var activation : Activation.values()) {
        for (boolean modulated : new boolean[] {false, true}) {
          try (var tensors = new TestTensors()) {
            var x = tensors.random(2, 3, 2, 6);
            var gamma = tensors.random(6);
            var beta = tensors.random(6);
            var shift = modulated ? tensors.random(2, 6) : null;
            var scale = modulated ? tensors.random(2, 6) : null;
            var dy = tensors.random(2, 3, 2, 6);
            var dx = tensors.out(2, 3, 2, 6);
            oracle.groupNormGradient(x, 3, gamma, beta, shift, scale, 1e-5f, activation, dy, dx);
            if (activation == Activation.RELU) {
              continue; // its corner spoils differences; the backends are held to the reference
            }
            Differences.assertGradient(
                "groupNorm, " + activation,
                out -> oracle.groupNorm(x, 3, gamma, beta, shift, scale, 1e-5f, activation, out),
                x,
                dy,
                dx,
                1e-3);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void groupNorm(Choice choice) {
    int[][] shapes = {
      {2, 1, 24}, {2, 35, 32}, {1, 64, 64}, {3, 130, 96}, {2, 300, 12}, {1, 9, 2500}
    };
    try (var oracle = TestBackends.reference();
        var backend = choice.open()) {
      for (int[] shape : shapes) {
        for (int groups : new int[] {1, 2, shape[2] / 4}) {
          for (var activation : Activation.values()) {
            groupNorm(oracle, backend, shape, groups, activation);
          }
        }
      }
    }
  }

  private static void groupNorm(
      Backend oracle, Backend backend, int[] shape, int groups, Activation activation) {
    int channels = shape[2];
    try (var tensors = new TestTensors()) {
      var x = tensors.random(shape);
      oracle.combine(2, x, 0, null, x);
      boolean modulated = groups > 1;
      var gamma = tensors.random(channels);
      var beta = tensors.random(channels);
      var shift = modulated ? tensors.random(shape[0], channels) : null;
      var scale = modulated ? tensors.random(shape[0], channels) : null;
      var dy = tensors.random(shape);
      var expected = tensors.out(shape);
      oracle.groupNormGradient(
          x, groups, gamma, beta, shift, scale, 1e-5f, activation, dy, expected);
      var dx = tensors.outView(shape);
      backend.groupNormGradient(
          tensors.view(x),
          groups,
          gamma,
          beta,
          tensors.viewOrNull(shift),
          tensors.viewOrNull(scale),
          1e-5f,
          activation,
          tensors.view(dy),
          dx);
      var what = "groupNormGradient of %s, %d groups, %s".formatted(x.shape(), groups, activation);
      assertClose(what, expected, dx, 2e-5);
      tensors.assertGuards(what);
      backend.groupNormGradient(x, groups, gamma, beta, shift, scale, 1e-5f, activation, dy, dy);
      assertSameBits(what + ", in place", dx, dy);
    }
  }

  // ------------------------------------------------------------------------ activate

  @Test
  void activateAgainstDifferences() {
    try (var oracle = TestBackends.reference();
        var tensors = new TestTensors()) {
      var x = tensors.random(40, 7);
      oracle.combine(4, x, 0, null, x);
      for (int i = 0; i < 280; i++) {
        if (Math.abs(x.getFloat(i)) < 0.1f) {
          x.setFloat(i, 0.25f); // away from the corner of ReLU
        }
      }
      var dy = tensors.random(40, 7);
      for (var activation : Activation.values()) {
        var dx = tensors.out(40, 7);
        oracle.activateGradient(activation, x, dy, dx);
        Differences.assertGradient(
            activation.toString(),
            out -> oracle.activate(activation, x, out),
            x,
            dy,
            dx,
            DIFFERENCES);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void activate(Choice choice) {
    try (var oracle = TestBackends.reference();
        var backend = choice.open();
        var tensors = new TestTensors()) {
      var x = tensors.random(400, 103);
      oracle.combine(12, x, 0, null, x);
      float[] special = {0f, -0f, 1e-30f, -90f, 90f, 1000f, -1000f, 1e20f, -1e20f, 3e38f, -3e38f};
      for (int i = 0; i < special.length; i++) {
        x.setFloat(i, special[i]);
      }
      var dy = tensors.random(400, 103);
      for (var activation : Activation.values()) {
        var expected = tensors.out(400, 103);
        oracle.activateGradient(activation, x, dy, expected);
        var dx = tensors.outView(400, 103);
        backend.activateGradient(activation, tensors.view(x), tensors.view(dy), dx);
        assertClose("gradient of " + activation, expected, dx, 2e-6);
        var inPlace = tensors.out(400, 103);
        oracle.copy(dy, inPlace);
        backend.activateGradient(activation, x, inPlace, inPlace);
        assertSameBits("gradient of " + activation + " in dy", dx, inPlace);
        oracle.copy(x, inPlace);
        backend.activateGradient(activation, inPlace, dy, inPlace);
        assertSameBits("gradient of " + activation + " in x", dx, inPlace);
        tensors.assertGuards("gradient of " + activation);
      }
    }
  }

  // ------------------------------------------------------------------------ all

  /** The same bits for any number of threads and any batch. */
  @ParameterizedTest
  @MethodSource("dev.gatun.runtime.TestBackends#hostNames")
  void bits(String name) {
    int n = 3;
    try (var tensors = new TestTensors()) {
      var x = tensors.random(n, 9, 8, 36);
      var flat = Shape.of(n, 72, 36);
      var dy = tensors.random(n, 9, 8, 36);
      var gamma = tensors.random(36);
      var scale = tensors.random(n, 36);
      var matrix = tensors.random(36, 36);
      var filter = tensors.random(36, 36, 3, 3);
      var attention = AttentionSpec.of(3, 12);
      Tensor[] first = null;
      for (int threads = 1; threads <= 3; threads++) {
        try (var backend = Backend.open(Device.CPU, name, threads);
            var weight = backend.pack(matrix);
            var kernel = backend.packKernel(filter)) {
          for (int from = 0; from < n; from++) {
            var a = x.slice(from, n);
            var b = dy.slice(from, n);
            var tokens = x.reshape(flat).slice(from, n);
            var slopes = dy.reshape(flat).slice(from, n);
            var out = new Tensor[7];
            for (int i = 0; i < 7; i++) {
              out[i] = i < 4 ? tensors.out(n - from, 9, 8, 36) : tensors.out(n - from, 72, 36);
            }
            backend.linearGradient(b, weight, out[0]);
            backend.conv2dGradient(b, kernel, Conv2dSpec.same(3), out[1]);
            backend.groupNormGradient(
                a,
                9,
                gamma,
                gamma,
                scale.slice(from, n),
                scale.slice(from, n),
                1e-5f,
                Activation.SILU,
                b,
                out[2]);
            backend.activateGradient(Activation.GELU_ERF, a, b, out[3]);
            backend.attentionGradient(
                tokens, tokens, tokens, attention, slopes, out[4], out[5], out[6]);
            if (first == null) {
              first = out;
            }
            for (int i = 0; i < 7; i++) {
              assertSameBits(
                  "gradient %d with %d threads from sample %d".formatted(i, threads, from),
                  first[i].slice(from, n),
                  out[i]);
            }
          }
        }
      }
    }
  }
}
