package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A denoising step allocates nothing, once the compiler has seen to the kernels. */
class FeatureMapAllocationTest {
  /**
   * Until it is compiled, a kernel makes an object of every vector, and on a busy machine the
   * compiler comes late: most of these calls are never made.
   */
  private static final int CALLS = 3_000_000;

  /** So many calls in a row without an allocation are enough. */
  private static final int CLEAN = 20;

  @ParameterizedTest
  @MethodSource("dev.gatun.runtime.TestBackends#names")
  void nothingAfterTheFirstCalls(String name) {
    try (var backend = Backend.open(Device.CPU, name, 2);
        var tensors = new TestTensors();
        var kernel = backend.packKernel(tensors.random(32, 32, 3, 3))) {
      var x = tensors.random(1, 6, 6, 32);
      var half = tensors.random(1, 3, 3, 32);
      var out = tensors.out(1, 6, 6, 32);
      var row = tensors.random(1, 32);
      var gamma = tensors.random(32);
      var epilogue = new Epilogue(gamma, Activation.SILU);
      var spec = Conv2dSpec.same(3);
      record Call(String what, Runnable operator) {}
      var calls =
          List.of(
              new Call("conv2d", () -> backend.conv2d(x, kernel, spec, epilogue, x, out)),
              new Call(
                  "groupNorm",
                  () ->
                      backend.groupNorm(x, 8, gamma, gamma, row, row, 1e-5f, Activation.SILU, out)),
              new Call("upsampleNearest", () -> backend.upsampleNearest(half, out)),
              new Call("averagePool", () -> backend.averagePool(x, half)),
              new Call("resizeBilinear", () -> backend.resizeBilinear(half, out)),
              new Call("meanOfPositions", () -> backend.meanOfPositions(x, row)),
              new Call("addPerSample", () -> backend.addPerSample(x, row, out)));
      for (var call : calls) {
        int clean = 0;
        for (int i = 0; i < CALLS && clean < CLEAN; i++) {
          long before = Allocated.bytes();
          call.operator.run();
          clean = Allocated.bytes() == before ? clean + 1 : 0;
        }
        assertEquals(CLEAN, clean, call.what + " on " + name + " goes on allocating");
      }
    }
  }
}
