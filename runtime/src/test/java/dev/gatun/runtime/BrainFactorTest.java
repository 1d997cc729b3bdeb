package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Tensors in bf16 between one product and the next ({@link Backend#factorType}): the same bits as
 * if they were f32, since a product rounds to bf16 anyway.
 */
class BrainFactorTest {
  private static final float EPS = 1e-6f;
  private static final int LEFT = 3;
  private static final int RIGHT = 2;

  @BeforeEach
  void available() {
    BrainTest.assumeAvailable();
  }

  /** A view on some columns in bf16 that holds the numbers of a tensor, rounded. */
  private static Tensor factor(TestTensors tensors, Backend oracle, Tensor x) {
    int[] wide = x.shape().dims();
    wide[wide.length - 1] += LEFT + RIGHT;
    var parent = tensors.allocate(DType.BF16, wide);
    var view = parent.columns(LEFT, LEFT + x.shape().cols());
    oracle.copy(x, view);
    return view;
  }

  /** A view in bf16 to write to. */
  private static Tensor out(TestTensors tensors, int... dims) {
    int[] wide = dims.clone();
    wide[wide.length - 1] += LEFT + RIGHT;
    var parent = tensors.allocate(DType.BF16, wide);
    return parent.columns(LEFT, LEFT + dims[dims.length - 1]);
  }

  /** Asserts that a result in bf16 is another one, rounded. */
  private static void assertRounded(
      String what, TestTensors tensors, Backend oracle, Tensor expected, Tensor found) {
    var wide = tensors.allocate(DType.F32, expected.shape().dims());
    oracle.copy(found, wide);
    assertSameBits(what, BrainTest.rounded(tensors, oracle, expected), wide);
  }

  @Test
  void linearReads() {
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2)) {
      for (int rows : new int[] {1, 3, 32, 33, 64, 300}) {
        for (int in : new int[] {1, 31, 32, 33, 64, 100, 1152}) {
          try (var tensors = new TestTensors()) {
            var what = "x of " + rows + "x" + in;
            var x = tensors.random(rows, in);
            try (var weight = backend.pack(tensors.random(40, in))) {
              var expected = tensors.out(rows, 40);
              backend.linear(x, weight, Epilogue.NONE, expected);
              var found = tensors.outView(rows, 40);
              backend.linear(factor(tensors, oracle, x), weight, Epilogue.NONE, found);
              assertSameBits(what, expected, found);
              var dense = tensors.allocate(DType.BF16, rows, in);
              oracle.copy(x, dense);
              backend.linear(dense, weight, Epilogue.NONE, found);
              assertSameBits(what + ", dense", expected, found);
              tensors.assertGuards(what);
            }
          }
        }
      }
    }
  }

  @Test
  void linearWrites() {
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2)) {
      for (int columns : new int[] {1, 3, 16, 31, 32, 33, 64, 72, 200}) {
        for (var activation : Activation.values()) {
          try (var tensors = new TestTensors()) {
            var what = columns + " columns, " + activation;
            var x = tensors.random(70, 50);
            var epilogue = new Epilogue(tensors.random(columns), activation);
            try (var weight = backend.pack(tensors.random(columns, 50))) {
              var expected = tensors.out(70, columns);
              backend.linear(x, weight, epilogue, expected);
              var found = out(tensors, 70, columns);
              backend.linear(x, weight, epilogue, found);
              assertRounded(what, tensors, oracle, expected, found);
            }
          }
        }
      }
    }
  }

  /** Nothing beside a view is written to. */
  @Test
  void surroundings() {
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2);
        var tensors = new TestTensors();
        var weight = backend.pack(tensors.random(37, 20))) {
      var wide = tensors.allocate(DType.BF16, 1, 40, 37 + LEFT + RIGHT);
      var ones = tensors.allocate(DType.F32, 1, 40, 37 + LEFT + RIGHT);
      oracle.fill(ones, 1);
      oracle.copy(ones, wide);
      var view = wide.columns(LEFT, LEFT + 37);
      var x = tensors.random(1, 40, 20);
      var y = tensors.random(1, 40, 37);
      backend.linear(x, weight, Epilogue.NONE, view);
      assertSurroundings(tensors, oracle, wide);
      backend.layerNorm(y, null, null, null, null, EPS, view);
      assertSurroundings(tensors, oracle, wide);
      backend.attention(y, y, y, AttentionSpec.of(1, 37), view);
      assertSurroundings(tensors, oracle, wide);
    }
  }

  private static void assertSurroundings(TestTensors tensors, Backend oracle, Tensor wide) {
    var floats = tensors.allocate(DType.F32, wide.shape().dims());
    oracle.copy(wide, floats);
    int cols = wide.shape().cols();
    for (long i = 0; i < floats.shape().size(); i++) {
      boolean beside = i % cols < LEFT || i % cols >= cols - RIGHT;
      assertTrue(!beside || floats.getFloat(i) == 1, "element " + i);
    }
  }

  @Test
  void attention() {
    int[][] sizes = {{1, 1, 1, 1, 5}, {2, 33, 65, 2, 31}, {1, 64, 64, 2, 72}, {1, 40, 100, 3, 33}};
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2)) {
      for (int[] size : sizes) {
        try (var tensors = new TestTensors()) {
          int width = size[3] * size[4];
          var what = size[1] + " by " + size[2] + " of " + size[4];
          var q = tensors.random(size[0], size[1], width);
          var k = tensors.random(size[0], size[2], width);
          var v = tensors.random(size[0], size[2], width);
          var spec = AttentionSpec.of(size[3], size[4]);
          var expected = tensors.out(size[0], size[1], width);
          backend.attention(q, k, v, spec, expected);
          var found = out(tensors, size[0], size[1], width);
          var keys = factor(tensors, oracle, k);
          var values = factor(tensors, oracle, v);
          backend.attention(factor(tensors, oracle, q), keys, values, spec, found);
          assertRounded(what, tensors, oracle, expected, found);
          var mixed = tensors.outView(size[0], size[1], width);
          backend.attention(q, keys, v, spec, mixed);
          assertSameBits(what + ", mixed", expected, mixed);
          tensors.assertGuards(what);
        }
      }
    }
  }

  /** What stands beside a head, even if it is no number, is none of it. */
  @Test
  void neighboursOfAHead() {
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(1);
        var tensors = new TestTensors()) {
      var x = tensors.random(1, 40, 2 * 33);
      var spec = AttentionSpec.of(2, 33);
      var expected = tensors.out(1, 40, 66);
      backend.attention(x, x, x, spec, expected);
      for (int row = 0; row < 40; row++) {
        for (int column = 33; column < 66; column++) {
          x.setFloat(row * 66 + column, Float.NaN);
        }
      }
      var factor = factor(tensors, oracle, x);
      var found = tensors.out(1, 40, 66);
      backend.attention(factor, factor, factor, spec, found);
      assertSameBits("the first head", expected.columns(0, 33), found.columns(0, 33));
    }
  }

  @Test
  void layerNorm() {
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2)) {
      for (int columns : new int[] {1, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 1152}) {
        for (int form = 0; form < 4; form++) {
          try (var tensors = new TestTensors()) {
            var what = columns + " columns, form " + form;
            var x = tensors.random(2, 35, columns);
            var gamma = (form & 1) == 0 ? null : tensors.random(columns);
            var beta = (form & 1) == 0 ? null : tensors.random(columns);
            var modulation = tensors.random(2, 3 * columns);
            var shift = (form & 2) == 0 ? null : modulation.columns(0, columns);
            var scale = (form & 2) == 0 ? null : modulation.columns(columns, 2 * columns);
            var expected = tensors.out(2, 35, columns);
            oracle.layerNorm(x, gamma, beta, shift, scale, EPS, expected);
            var wide = tensors.outView(2, 35, columns);
            backend.layerNorm(tensors.view(x), gamma, beta, shift, scale, EPS, wide);
            assertClose(what, expected, wide, 1e-5 + 2e-6 * Math.sqrt(columns));
            var found = out(tensors, 2, 35, columns);
            backend.layerNorm(x, gamma, beta, shift, scale, EPS, found);
            assertRounded(what, tensors, oracle, wide, found);
            backend.layerNorm(x, gamma, beta, shift, scale, EPS, x);
            assertSameBits(what + " in place", wide, x);
            tensors.assertGuards(what);
          }
        }
      }
    }
  }

  /** A row has the same bits for any number of threads and whatever stands beside it. */
  @Test
  void bitsOfLayerNorm() {
    try (var tensors = new TestTensors();
        var one = BrainTest.open(1);
        var two = BrainTest.open(2)) {
      var x = tensors.random(300, 100);
      var all = tensors.out(300, 100);
      one.layerNorm(x, null, null, null, null, EPS, all);
      var parallel = tensors.out(300, 100);
      two.layerNorm(x, null, null, null, null, EPS, parallel);
      assertSameBits("two threads", all, parallel);
      for (int row : new int[] {0, 1, 31, 32, 299}) {
        var alone = tensors.out(1, 100);
        two.layerNorm(x.slice(row, row + 1), null, null, null, null, EPS, alone);
        assertSameBits("row " + row, all.slice(row, row + 1), alone);
      }
    }
  }

  @Test
  void workspace() {
    try (var backend = BrainTest.open(1);
        var workspace = backend.workspace()) {
      for (int columns : new int[] {1, 32, 72, 1152, 4608}) {
        int mark = workspace.mark();
        var taken = workspace.takeFactor(2, 3, columns);
        assertEquals(DType.BF16, taken.dtype());
        assertEquals(Shape.of(2, 3, columns), taken.shape());
        int lines = taken.rowStride() * Short.BYTES / Tensor.ALIGNMENT;
        assertEquals(0, taken.rowStride() * Short.BYTES % Tensor.ALIGNMENT);
        assertTrue(lines % 4 != 0, "rows are " + lines + " lines apart");
        workspace.release(mark);
        assertEquals(taken, workspace.takeFactor(2, 3, columns));
      }
    }
  }

  @Test
  void whereItIsRefused() {
    try (var backend = BrainTest.open(1);
        var tensors = new TestTensors();
        var weight = backend.pack(tensors.random(4, 4))) {
      var x = tensors.random(1, 4, 4);
      var brain = tensors.allocate(DType.BF16, 1, 4, 4);
      refused(
          "linear: out is BF16, expected F32",
          () -> backend.linear(x, weight, Epilogue.NONE, null, x, brain));
      refused(
          "attention: q is BF16, expected F32",
          () ->
              backend.attention(brain, x, x, new AttentionSpec(1, 0, false), tensors.out(1, 4, 4)));
      refused(
          "attention: out is BF16, expected F32",
          () -> backend.attention(x, x, x, new AttentionSpec(1, -1, false), brain));
      refused(
          "layerNorm: x is BF16, expected F32",
          () -> backend.layerNorm(brain, null, null, null, null, EPS, brain));
      refused(
          "linear: x is F16, expected F32 or BF16",
          () ->
              backend.linear(
                  tensors.allocate(DType.F16, 1, 4, 4),
                  weight,
                  Epilogue.NONE,
                  tensors.out(1, 4, 4)));
    }
  }

  private static void refused(String message, Runnable call) {
    var e = assertThrows(IllegalArgumentException.class, call::run);
    assertEquals(message, e.getMessage());
  }
}
