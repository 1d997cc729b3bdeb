package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The oracle of the operators on feature maps, against hand-computed values. */
class ReferenceMapsOracleTest {
  private final Backend reference = TestBackends.reference();
  private final TestTensors tensors = new TestTensors();

  @AfterEach
  void close() {
    tensors.close();
    reference.close();
  }

  private Tensor map(int height, int width, float... values) {
    return tensors.of(Shape.of(1, height, width, values.length / (height * width)), values);
  }

  private Tensor convolve(Tensor x, Tensor kernel, Conv2dSpec spec) {
    int height = spec.outHeight(x.dim(1), kernel.dim(2));
    int width = spec.outWidth(x.dim(2), kernel.dim(3));
    var out = tensors.out(x.dim(0), height, width, kernel.dim(0));
    try (var packed = reference.packKernel(kernel)) {
      reference.conv2d(x, packed, spec, Epilogue.NONE, out);
    }
    return out;
  }

  @Test
  void correlationIsNotFlipped() {
    var x = map(2, 3, 1, 2, 3, 4, 5, 6);
    var kernel = tensors.of(Shape.of(1, 1, 2, 2), 1f, 10f, 100f, 1000f);
    // 1·1 + 2·10 + 4·100 + 5·1000, and one further on
    assertClose("conv2d", map(1, 2, 5421, 6532), convolve(x, kernel, Conv2dSpec.padded(1, 0)), 0);
  }

  @Test
  void paddingOnEachSide() {
    var x = map(1, 1, 7);
    var kernel = tensors.of(Shape.of(1, 1, 2, 3), 1f, 2f, 3f, 4f, 5f, 6f);
    // The one pixel is at (top, left) = (1, 2) of the padded map of 3 x 5.
    assertClose(
        "conv2d",
        map(2, 3, 7 * 6, 7 * 5, 7 * 4, 7 * 3, 7 * 2, 7),
        convolve(x, kernel, new Conv2dSpec(1, 1, 2, 1, 2)),
        0);
    assertClose("bottom and right", map(1, 1, 7), convolve(x, kernel, pad(0, 0, 1, 2)), 0);
  }

  private static Conv2dSpec pad(int top, int left, int bottom, int right) {
    return new Conv2dSpec(1, top, left, bottom, right);
  }

  @Test
  void strideRoundsDown() {
    var x = map(4, 4, 0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33);
    var one = tensors.of(Shape.of(1, 1, 1, 1), 1f);
    assertClose("every second", map(2, 2, 0, 2, 20, 22), convolve(x, one, stride(2)), 0);
    assertClose("every third", map(2, 2, 0, 3, 30, 33), convolve(x, one, stride(3)), 0);
    assertClose("too far", map(1, 1, 0), convolve(x, one, stride(4)), 0);
  }

  private static Conv2dSpec stride(int stride) {
    return Conv2dSpec.padded(stride, 0);
  }

  @Test
  void channelsOfOperandAndResult() {
    var x = tensors.of(Shape.of(2, 1, 1, 2), 1f, 2f, 3f, 4f);
    var kernel = tensors.of(Shape.of(3, 2, 1, 1), 1f, 0f, 0f, 1f, 10f, 100f);
    assertClose(
        "conv2d",
        tensors.of(Shape.of(2, 1, 1, 3), 1f, 2f, 210f, 3f, 4f, 430f),
        convolve(x, kernel, Conv2dSpec.same(1)),
        0);
  }

  @Test
  void kernelIsStoredChannelFirst() {
    var x = map(1, 2, 1, 2, 3, 4); // two pixels of two channels
    var kernel = tensors.of(Shape.of(1, 2, 1, 2), 1f, 10f, 100f, 1000f); // [c][column]
    assertClose("conv2d", map(1, 1, 4231), convolve(x, kernel, Conv2dSpec.padded(1, 0)), 0);
  }

  @Test
  void epilogueOfAConvolution() {
    var out = map(1, 2, 100, 200);
    var bias = tensors.of(Shape.of(1), 1f);
    try (var kernel = reference.packKernel(tensors.of(Shape.of(1, 1, 1, 1), 2f))) {
      reference.conv2d(
          map(1, 2, 3, -0.5f),
          kernel,
          Conv2dSpec.same(1),
          new Epilogue(bias, Activation.SILU),
          out,
          out);
    }
    // The activation is before the residual: 7σ(7) and 0σ(0).
    assertClose("conv2d", map(1, 2, (float) (100 + 7 / (1 + Math.exp(-7))), 200), out, 0);
  }

  @Test
  void groupNormByHand() {
    // Group 0: 1, 3, 5, 7 of mean 4 and variance 5; group 1: 0, 0, 2, 2 of mean 1 and variance 1.
    var x = tensors.of(Shape.of(1, 2, 4), 1f, 3f, 0f, 2f, 5f, 7f, 2f, 0f);
    var gamma = tensors.of(Shape.of(4), 1f, 1f, 2f, 3f);
    var beta = tensors.of(Shape.of(4), 0f, 0f, 10f, 20f);
    var out = tensors.out(1, 2, 4);
    reference.groupNorm(x, 2, gamma, beta, null, null, 4, Activation.IDENTITY, out);
    float r = (float) (1 / Math.sqrt(5));
    assertClose(
        "groupNorm",
        tensors.of(
            Shape.of(1, 2, 4),
            -1f,
            -1f / 3,
            10 - 2 * r,
            20 + 3 * r,
            1f / 3,
            1f,
            10 + 2 * r,
            20 - 3 * r),
        out,
        1e-7);
    var shift = tensors.of(Shape.of(1, 4), 1f, 2f, 3f, 4f);
    var scale = tensors.of(Shape.of(1, 4), 0f, 1f, 0f, -1f);
    reference.groupNorm(x, 2, gamma, beta, shift, scale, 4, Activation.SILU, out);
    assertEquals(0, out.getFloat(0)); // SiLU(-1·1 + 1)
    assertEquals(4 / (1 + Math.exp(-4)), out.getFloat(5), 1e-6); // SiLU(1·2 + 2)
    assertEquals(4 / (1 + Math.exp(-4)), out.getFloat(3), 1e-6); // SiLU(…·0 + 4)
  }

  @Test
  void groupNormOfSamplesOfOnePosition() {
    var x = tensors.of(Shape.of(2, 2), 1f, 3f, 50f, 10f);
    var one = tensors.of(Shape.of(2), 1f, 1f);
    var zero = tensors.of(Shape.of(2), 0f, 0f);
    var out = tensors.out(2, 2);
    reference.groupNorm(x, 1, one, zero, null, null, 0, Activation.IDENTITY, out);
    assertClose("groupNorm", tensors.of(Shape.of(2, 2), -1f, 1f, 1f, -1f), out, 0);
  }

  @Test
  void resamplingByHand() {
    var x = map(2, 2, 1, 2, 3, 4);
    var up = tensors.out(1, 4, 4, 1);
    reference.upsampleNearest(x, up);
    assertClose("up", map(4, 4, 1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4), up, 0);
    var down = tensors.out(1, 1, 1, 1);
    reference.averagePool(x, down);
    assertClose("down", map(1, 1, 2.5f), down, 0);
    var mean = tensors.out(1, 2);
    reference.meanOfPositions(map(1, 3, 1, 10, 2, 20, 6, 60), mean);
    assertClose("mean", tensors.of(Shape.of(1, 2), 3f, 30f), mean, 0);
    var sum = tensors.out(2, 2, 1);
    reference.addPerSample(
        tensors.of(Shape.of(2, 2, 1), 1f, 2f, 3f, 4f), tensors.of(Shape.of(2, 1), 10f, 20f), sum);
    assertClose("per sample", tensors.of(Shape.of(2, 2, 1), 11f, 12f, 23f, 24f), sum, 0);
  }

  @Test
  void bilinearByHand() {
    var out = tensors.out(1, 1, 4, 1);
    reference.resizeBilinear(map(1, 2, 0, 8), out);
    // Sources -¼ (taken as 0), ¼, ¾, 1¼ (beyond the last pixel).
    assertClose("twice as wide", map(1, 4, 0, 2, 6, 8), out, 0);
    var smaller = tensors.out(1, 1, 2, 1);
    reference.resizeBilinear(map(1, 6, 0, 1, 2, 30, 40, 50), smaller);
    assertClose("a third", map(1, 2, 1, 40), smaller, 0); // no antialiasing
    var square = tensors.out(1, 2, 1, 1);
    reference.resizeBilinear(map(3, 1, 0, 10, 30), square);
    assertClose("two of three", map(2, 1, 2.5f, 25), square, 0); // sources ¼ and 1¾
  }

  /** {@code torch.nn.functional.interpolate} of sines, as the published one computes it. */
  @Test
  void bilinearAsPyTorch() {
    var x = tensors.out(1, 4, 4, 1);
    for (int i = 0; i < 16; i++) {
      x.setFloat(i, (float) Math.sin(0.9 * i + 0.2));
    }
    var out = tensors.out(1, 8, 8, 1);
    reference.resizeBilinear(x, out);
    float[] first = {
      0.1986693f, 0.3718038f, 0.7180729f, 0.8957299f, 0.9047749f, 0.7417854f, 0.4067614f, 0.2392493f
    };
    double squares = 0;
    for (int i = 0; i < 64; i++) {
      squares += (double) out.getFloat(i) * out.getFloat(i) / 64;
      if (i < first.length) {
        assertEquals(first[i], out.getFloat(i), 1e-6, "element " + i);
      }
    }
    assertEquals(0.20627622, squares, 1e-7);
  }
}
