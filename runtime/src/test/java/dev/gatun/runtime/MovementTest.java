package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MovementTest {
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void copyBetweenViewsAndRanks(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      for (int cols : new int[] {1, 3, 16, 33, 100}) {
        var x = tensors.random(2, 5, cols);
        var view = tensors.outView(10, cols);
        backend.copy(tensors.view(x), view);
        assertSameBits("copy of " + cols, x.reshape(view.shape()), view);
        var contiguous = tensors.out(2, 5, cols);
        backend.copy(view, contiguous);
        assertSameBits("copy back of " + cols, x, contiguous);
        tensors.assertGuards("copy");
      }
    }
  }

  /** So large that threads share it: rows and bytes that do not divide evenly. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void copyOfManyRows(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      for (int[] size : new int[][] {{367, 101}, {3, 20_001}, {1, 40_001}}) {
        var x = tensors.random(size);
        var view = tensors.outView(size);
        backend.copy(x, view);
        assertSameBits("copy", x, view);
        var contiguous = tensors.out(size);
        backend.copy(x, contiguous);
        assertSameBits("copy of contiguous rows", x, contiguous);
        tensors.assertGuards("copy");
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void concatenationIsTwoCopies(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var a = tensors.of(Shape.of(2, 1), 1f, 2f);
      var b = tensors.of(Shape.of(2, 2), 3f, 4f, 5f, 6f);
      var out = tensors.out(2, 3);
      backend.copy(a, out.columns(0, 1));
      backend.copy(b, out.columns(1, 3));
      assertSameBits("concatenation", tensors.of(Shape.of(2, 3), 1f, 3f, 4f, 2f, 5f, 6f), out);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void copyConvertsToNearestEven(Choice choice) {
    float half = 0x1p-11f; // half a unit in the last place of f16 at 1
    float[] values = {
      1 + half, 1 + 3 * half, 1 + 1.01f * half, 65504, 65520, 1e-8f, -2.5f, Float.NaN, 1e30f
    };
    float[] asF16 = {
      1,
      1 + 4 * half,
      1 + 2 * half,
      65504,
      Float.POSITIVE_INFINITY,
      0,
      -2.5f,
      Float.NaN,
      Float.POSITIVE_INFINITY
    };
    float eighth = 0x1p-8f; // half a unit in the last place of bf16 at 1
    float[] wide = {
      1 + eighth,
      1 + 3 * eighth,
      1 + 1.01f * eighth,
      -2.5f,
      Float.NaN,
      Float.MAX_VALUE,
      Float.intBitsToFloat(0x7F800001),
      Float.NEGATIVE_INFINITY
    };
    float[] asBf16 = {
      1,
      1 + 4 * eighth,
      1 + 2 * eighth,
      -2.5f,
      Float.NaN,
      Float.POSITIVE_INFINITY,
      Float.NaN,
      Float.NEGATIVE_INFINITY
    };
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      roundTrip(backend, tensors, DType.F16, values, asF16);
      roundTrip(backend, tensors, DType.BF16, wide, asBf16);
      // From one 16-bit type to the other, and within one on a view.
      var f16 = tensors.allocate(DType.F16, 1, 3);
      backend.copy(tensors.of(Shape.of(1, 3), 1 + eighth, 1 + 3 * eighth, -7f), f16);
      var bf16 = tensors.allocate(DType.BF16, 1, 3);
      backend.copy(f16, bf16);
      assertEquals(1f, bf16.getFloat(0));
      assertEquals(1 + 4 * eighth, bf16.getFloat(1));
      var part = tensors.allocate(DType.BF16, 1, 2);
      backend.copy(bf16.columns(1, 3), part);
      assertEquals(-7f, part.getFloat(1));
    }
  }

  private static void roundTrip(
      Backend backend, TestTensors tensors, DType dtype, float[] values, float[] expected) {
    var stored = tensors.allocate(dtype, 1, values.length);
    backend.copy(tensors.view(tensors.of(Shape.of(1, values.length), values)), stored);
    var back = tensors.outView(1, values.length);
    backend.copy(stored, back);
    assertSameBits("copy by " + dtype, tensors.of(Shape.of(1, values.length), expected), back);
    tensors.assertGuards("copy by " + dtype);
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void copyOfIndices(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var ids = tensors.of(Shape.of(2, 2), Long.MAX_VALUE, -1L, 0L, 1L << 40);
      var out = tensors.allocate(DType.I64, 2, 3);
      backend.copy(ids, out.columns(1, 3));
      long[] expected = {0, Long.MAX_VALUE, -1, 0, 0, 1L << 40};
      for (int i = 0; i < expected.length; i++) {
        assertEquals(expected[i], out.getLong(i), "element " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void channelsLastAndFirst(Choice choice) {
    int n = 2;
    int c = 3;
    int h = 5;
    int w = 7;
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var nchw = tensors.random(n, c, h, w);
      var nhwc = tensors.outView(n, h, w, c);
      backend.toChannelsLast(tensors.view(nchw), nhwc);
      for (int b = 0; b < n; b++) {
        for (int ch = 0; ch < c; ch++) {
          for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
              assertEquals(
                  nchw.getFloat(((b * c + ch) * h + y) * w + x),
                  nhwc.getFloat(((b * h + y) * w + x) * c + ch),
                  "image " + b + ", channel " + ch + ", pixel " + y + ", " + x);
            }
          }
        }
      }
      var back = tensors.outView(n, c, h, w);
      backend.toChannelsFirst(nhwc, back);
      assertSameBits("toChannelsFirst", nchw, back);
      tensors.assertGuards("channels");
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void patchesOfEverySize(Choice choice) {
    for (int patch : new int[] {1, 2, 3, 6}) {
      try (var backend = choice.open();
          var tensors = new TestTensors()) {
        patches(backend, tensors, patch);
      }
    }
  }

  private static void patches(Backend backend, TestTensors tensors, int patch) {
    int n = 2;
    int h = 6;
    int w = 12;
    int c = 5;
    var x = tensors.random(n, h, w, c);
    var expected = tensors.out(n, (h / patch) * (w / patch), patch * patch * c);
    int at = 0;
    for (int b = 0; b < n; b++) {
      for (int top = 0; top < h; top += patch) {
        for (int left = 0; left < w; left += patch) {
          for (int y = top; y < top + patch; y++) {
            for (int column = left; column < left + patch; column++) {
              for (int ch = 0; ch < c; ch++) {
                expected.setFloat(at++, x.getFloat(((b * h + y) * w + column) * c + ch));
              }
            }
          }
        }
      }
    }
    var tokens = tensors.outView(expected.shape().dims());
    backend.patchify(tensors.view(x), patch, tokens);
    assertSameBits("patchify by " + patch, expected, tokens);
    var back = tensors.outView(n, h, w, c);
    backend.unpatchify(tokens, patch, back);
    assertSameBits("unpatchify by " + patch, x, back);
    tensors.assertGuards("patches");
  }
}
