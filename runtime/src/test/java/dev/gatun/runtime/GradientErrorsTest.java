package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the gradients refuse, with which words. */
class GradientErrorsTest {
  private static final String NAMES = "dev.gatun.runtime.TestBackends#names";

  @ParameterizedTest
  @MethodSource(NAMES)
  void refusals(String name) {
    try (var backend = TestBackends.open(name, 1);
        var tensors = new TestTensors();
        var weight = backend.pack(tensors.random(5, 7));
        var kernel = backend.packKernel(tensors.random(5, 7, 3, 3))) {
      var x = tensors.random(2, 4, 7);
      var dx = tensors.out(2, 4, 7);
      refused(
          "linearGradient: dy is [2, 4, 7], expected [8, 5]",
          () -> backend.linearGradient(x, weight, dx));
      refused(
          "conv2dGradient: dy is [2, 4, 4, 5], expected [2, 2, 2, 5]",
          () ->
              backend.conv2dGradient(
                  tensors.random(2, 4, 4, 5),
                  kernel,
                  Conv2dSpec.padded(2, 1),
                  tensors.out(2, 4, 4, 7)));
      var windows = AttentionSpec.of(1, 7).inWindows(new AttentionSpec.Windows(2, 2, 2), null);
      refused(
          "attentionGradient: the attention has windows, expected one over all tokens",
          () ->
              backend.attentionGradient(
                  x, x, x, windows, x, dx, tensors.out(2, 4, 7), tensors.out(2, 4, 7)));
      refused(
          "attentionGradient: dq (F32 [2, 4, 7] on cpu) overlaps dk (F32 [2, 4, 7] on cpu) in"
              + " memory, expected memory of its own",
          () ->
              backend.attentionGradient(
                  x, x, x, AttentionSpec.of(1, 7), x, dx, dx, tensors.out(2, 4, 7)));
      refused(
          "groupNormGradient: dx (F32 [2, 4, 7] on cpu) overlaps x (F32 [2, 4, 7] on cpu) in"
              + " memory, expected memory of its own",
          () ->
              backend.groupNormGradient(
                  x,
                  1,
                  tensors.random(7),
                  tensors.random(7),
                  null,
                  null,
                  1e-5f,
                  Activation.SILU,
                  tensors.random(2, 4, 7),
                  x));
      refused(
          "activateGradient: dy is [2, 4, 6], expected [2, 4, 7]",
          () -> backend.activateGradient(Activation.SILU, x, tensors.random(2, 4, 6), dx));
      var closedWeight = backend.pack(tensors.random(5, 7));
      closedWeight.close();
      var closedKernel = backend.packKernel(tensors.random(5, 7, 3, 3));
      closedKernel.close();
      assertThrows(
          IllegalStateException.class,
          () -> backend.linearGradient(tensors.random(8, 5), closedWeight, dx));
      assertThrows(
          IllegalStateException.class,
          () ->
              backend.conv2dGradient(
                  tensors.random(2, 4, 4, 5),
                  closedKernel,
                  Conv2dSpec.same(3),
                  tensors.out(2, 4, 4, 7)));
    }
  }

  private static void refused(String message, Runnable call) {
    var error = assertThrows(IllegalArgumentException.class, call::run);
    assertEquals(message, error.getMessage());
  }
}
