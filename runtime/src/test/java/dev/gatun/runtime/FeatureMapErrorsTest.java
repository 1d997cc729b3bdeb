package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@link OperatorErrorsTest} for the operators on feature maps. */
class FeatureMapErrorsTest {
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";
  private static final float UNTOUCHED = 42;

  /** Operands that fit each other, and an {@code out} that must stay as it is. */
  private static final class Bench implements AutoCloseable {
    final Backend backend;
    final TestTensors tensors = new TestTensors();
    final Tensor x = tensors.random(2, 4, 6, 4);
    final Tensor row = tensors.random(4);
    final Tensor out = tensors.random(2, 4, 6, 4);
    final ConvKernel kernel;
    final Conv2dSpec spec = Conv2dSpec.same(3);

    Bench(Choice choice) {
      backend = choice.open();
      kernel = backend.packKernel(tensors.random(4, 4, 3, 3));
      for (int i = 0; i < out.shape().size(); i++) {
        out.setFloat(i, UNTOUCHED);
      }
    }

    void refused(String message, Executable call) {
      refused(IllegalArgumentException.class, message, call);
    }

    void refused(Class<? extends Throwable> type, String message, Executable call) {
      assertEquals(message, assertThrows(type, call).getMessage());
      for (int i = 0; i < out.shape().size(); i++) {
        assertEquals(UNTOUCHED, out.getFloat(i), message + ", but element " + i + " was written");
      }
    }

    void conv(Tensor x, Conv2dSpec spec, Epilogue epilogue, Tensor residual) {
      backend.conv2d(x, kernel, spec, epilogue, residual, out);
    }

    void norm(Tensor x, int groups, Tensor gamma, Tensor beta, Tensor shift, Tensor scale) {
      backend.groupNorm(x, groups, gamma, beta, shift, scale, 1e-5f, Activation.SILU, out);
    }

    @Override
    public void close() {
      kernel.close();
      tensors.close();
      backend.close();
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void convolution(Choice choice) {
    try (var b = new Bench(choice)) {
      var t = b.tensors;
      b.refused(
          "conv2d: x is [2, 24, 4], expected 4 axes",
          () -> b.conv(t.random(2, 24, 4), b.spec, Epilogue.NONE, null));
      b.refused(
          "conv2d: x is [2, 4, 6, 3], expected [N, H, W, 4]",
          () -> b.conv(t.random(2, 4, 6, 3), b.spec, Epilogue.NONE, null));
      b.refused(
          "conv2d: out is [2, 4, 6, 4], expected [2, 2, 4, 4]",
          () -> b.conv(b.x, Conv2dSpec.padded(1, 0), Epilogue.NONE, null));
      b.refused(
          "conv2d: out is [2, 4, 6, 4], expected [2, 2, 3, 4]",
          () -> b.conv(b.x, new Conv2dSpec(2, 0, 0, 1, 1), Epilogue.NONE, null));
      b.refused(
          "conv2d: x is [2, 4, 1, 4], expected a map that is with its padding no smaller than the"
              + " kernel, 3x3",
          () -> b.conv(t.random(2, 4, 1, 4), new Conv2dSpec(1, 0, 1, 0, 0), Epilogue.NONE, null));
      b.refused(
          "conv2d: bias is [3], expected [4]",
          () -> b.conv(b.x, b.spec, Epilogue.bias(t.random(3)), null));
      b.refused(
          "conv2d: residual is [1, 4, 6, 4], expected [2, 4, 6, 4]",
          () -> b.conv(b.x, b.spec, Epilogue.NONE, t.random(1, 4, 6, 4)));
      b.refused(
          "conv2d: x is F16, expected F32",
          () -> b.conv(t.allocate(DType.F16, 2, 4, 6, 4), b.spec, Epilogue.NONE, null));
      b.refused("conv2d: spec is missing", () -> b.conv(b.x, null, Epilogue.NONE, null));
      b.refused("conv2d: epilogue is missing", () -> b.conv(b.x, b.spec, null, null));
      b.refused(
          "conv2d: kernel is missing",
          () -> b.backend.conv2d(b.x, null, b.spec, Epilogue.NONE, b.out));
      b.refused(
          "conv2d: out (F32 [2, 4, 6, 4] on cpu) overlaps x (F32 [2, 4, 6, 4] on cpu) in memory,"
              + " expected memory of its own",
          () -> b.conv(b.out, b.spec, Epilogue.NONE, null));
      b.refused(
          "packKernel: kernel is [4, 4], expected 4 axes",
          () -> b.backend.packKernel(t.random(4, 4)).close());
      b.refused(
          "packKernel: kernel is [4, 4, 0, 3], expected [out, in, height, width] with a window of at"
              + " least 1x1",
          () -> b.backend.packKernel(t.random(4, 4, 0, 3)).close());
      b.refused(
          "packKernel: kernel is I64, expected F32, F16 or BF16",
          () -> b.backend.packKernel(t.allocate(DType.I64, 4, 4, 3, 3)).close());
      b.refused("packKernel: kernel is missing", () -> b.backend.packKernel(null).close());
    }
  }

  /** A kernel that no backend has packed. */
  private record Stranger(int out, int in, int height, int width) implements ConvKernel {
    @Override
    public void close() {}
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void kernelOfAnotherBackendOrClosed(Choice choice) {
    try (var b = new Bench(choice)) {
      b.refused(
          "conv2d: kernel is a Stranger, expected one packed by the " + choice.name() + " backend",
          () -> b.backend.conv2d(b.x, new Stranger(4, 4, 3, 3), b.spec, Epilogue.NONE, b.out));
      var closed = b.backend.packKernel(b.tensors.random(4, 4, 3, 3));
      closed.close();
      closed.close();
      b.refused(
          IllegalStateException.class,
          "conv2d: kernel [4, 4, 3, 3] is closed",
          () -> b.backend.conv2d(b.x, closed, b.spec, Epilogue.NONE, b.out));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void groupNorm(Choice choice) {
    try (var b = new Bench(choice)) {
      var t = b.tensors;
      b.refused(
          "groupNorm: x is [2, 4, 6, 4], expected a last extent that 3 groups divide",
          () -> b.norm(b.x, 3, b.row, b.row, null, null));
      b.refused(
          "groupNorm: x is [2, 4, 6, 4], expected a last extent that 0 groups divide",
          () -> b.norm(b.x, 0, b.row, b.row, null, null));
      b.refused(
          "groupNorm: x is [4], expected [N, C], [N, L, C] or [N, H, W, C]",
          () -> b.norm(b.row, 2, b.row, b.row, null, null));
      b.refused(
          "groupNorm: out is [2, 4, 6, 4], expected [2, 24, 4]",
          () -> b.norm(t.random(2, 24, 4), 2, b.row, b.row, null, null));
      b.refused("groupNorm: gamma is missing", () -> b.norm(b.x, 2, null, b.row, null, null));
      b.refused("groupNorm: beta is missing", () -> b.norm(b.x, 2, b.row, null, null, null));
      b.refused(
          "groupNorm: gamma is [3], expected [4]",
          () -> b.norm(b.x, 2, t.random(3), b.row, null, null));
      b.refused(
          "groupNorm: shift is missing", () -> b.norm(b.x, 2, b.row, b.row, null, t.random(2, 4)));
      b.refused(
          "groupNorm: scale is missing", () -> b.norm(b.x, 2, b.row, b.row, t.random(2, 4), null));
      b.refused(
          "groupNorm: shift is [4, 4], expected [2, 4]",
          () -> b.norm(b.x, 2, b.row, b.row, t.random(4, 4), t.random(4, 4)));
      b.refused(
          "groupNorm: eps is NaN, expected at least 0",
          () ->
              b.backend.groupNorm(
                  b.x, 2, b.row, b.row, null, null, Float.NaN, Activation.SILU, b.out));
      b.refused(
          "groupNorm: activation is missing",
          () -> b.backend.groupNorm(b.x, 2, b.row, b.row, null, null, 0, null, b.out));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void resampling(Choice choice) {
    try (var b = new Bench(choice)) {
      var t = b.tensors;
      b.refused(
          "upsampleNearest: x is [2, 24, 4], expected 4 axes",
          () -> b.backend.upsampleNearest(t.random(2, 24, 4), b.out));
      b.refused(
          "upsampleNearest: out is [2, 4, 6, 4], expected [2, 8, 12, 4]",
          () -> b.backend.upsampleNearest(b.x, b.out));
      b.refused(
          "averagePool: x is [2, 4, 3, 4], expected [N, H, W, C] with H and W even",
          () -> b.backend.averagePool(t.random(2, 4, 3, 4), b.out));
      b.refused(
          "averagePool: out is [2, 4, 6, 4], expected [2, 2, 3, 4]",
          () -> b.backend.averagePool(b.x, b.out));
      b.refused(
          "resizeBilinear: out is [2, 4, 6, 4], expected [1, 4, 6, 3]",
          () -> b.backend.resizeBilinear(t.random(1, 9, 9, 3), b.out));
      b.refused(
          "resizeBilinear: x is [2, 0, 9, 4], expected at least one position for [2, 4, 6, 4]",
          () -> b.backend.resizeBilinear(t.random(2, 0, 9, 4), b.out));
      b.refused(
          "resizeBilinear: out (F32 [2, 4, 6, 4] on cpu) overlaps x (F32 [2, 4, 6, 4] on cpu) in"
              + " memory, expected memory of its own",
          () -> b.backend.resizeBilinear(b.out, b.out));
      b.refused(
          "meanOfPositions: x is [2, 4], expected [N, L, C] or [N, H, W, C]",
          () -> b.backend.meanOfPositions(t.random(2, 4), b.out));
      b.refused(
          "meanOfPositions: out is [2, 4, 6, 4], expected [2, 4]",
          () -> b.backend.meanOfPositions(b.x, b.out));
      b.refused(
          "meanOfPositions: x is [48, 0, 4], expected at least one position",
          () -> b.backend.meanOfPositions(t.random(48, 0, 4), b.out.reshape(Shape.of(48, 4))));
      b.refused(
          "addPerSample: y is [5, 4], expected [a divisor of 48, 4]",
          () -> b.backend.addPerSample(b.x, t.random(5, 4), b.out));
      b.refused(
          "addPerSample: out is [2, 4, 6, 4], expected [24, 4]",
          () -> b.backend.addPerSample(t.random(24, 4), t.random(2, 4), b.out));
      b.refused(
          "addPerSample: out (F32 [2, 4, 6, 4] on cpu) overlaps y (F32 [2, 4, 6, 4] on cpu) in"
              + " memory, expected memory of its own",
          () -> b.backend.addPerSample(b.x, b.out, b.out));
    }
  }

  @Test
  void constantsOfAConvolution() {
    var message =
        assertThrows(IllegalArgumentException.class, () -> new Conv2dSpec(0, 1, 2, 3, 4))
            .getMessage();
    assertEquals(
        "convolution of stride 0 with a padding of 1, 2, 3, 4 (top, left, bottom, right): the"
            + " stride must be at least 1, the padding at least 0",
        message);
    assertThrows(IllegalArgumentException.class, () -> new Conv2dSpec(1, 0, 0, -1, 0));
  }
}
