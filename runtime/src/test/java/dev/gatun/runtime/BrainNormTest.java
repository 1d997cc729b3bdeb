package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Normalisation by groups where products are in bf16: f32 all the same, in machine code. */
class BrainNormTest {
  private static final float EPS = 1e-5f;

  @BeforeEach
  void available() {
    BrainTest.assumeAvailable();
  }

  @Test
  void everySizeAndActivation() {
    int[] groupsOf = {1, 3, 15, 16, 17, 31, 32, 33, 40};
    try (var oracle = TestBackends.reference();
        var backend = BrainTest.open(2)) {
      for (int size : groupsOf) {
        for (var activation : Activation.values()) {
          compare(oracle, backend, 2, 3, 2, size, activation);
        }
      }
      compare(oracle, backend, 3, 40, 8, 33, Activation.SILU);
    }
  }

  private static void compare(
      Backend oracle, Backend backend, int samples, int side, int groups, int size, Activation f) {
    int channels = groups * size;
    var what = "%d x %dx%d, %d groups of %d, %s".formatted(samples, side, side, groups, size, f);
    try (var tensors = new TestTensors()) {
      var x = tensors.random(samples, side, side, channels);
      var gamma = tensors.random(channels);
      var beta = tensors.random(channels);
      var shift = tensors.random(samples, channels);
      var scale = tensors.random(samples, channels);
      var expected = tensors.out(samples, side, side, channels);
      oracle.groupNorm(x, groups, gamma, beta, shift, scale, EPS, f, expected);
      var found = tensors.outView(samples, side, side, channels);
      backend.groupNorm(tensors.view(x), groups, gamma, beta, shift, scale, EPS, f, found);
      assertClose(what, expected, found, 4e-6);
      tensors.assertGuards(what);
    }
  }

  /** A sample has the same bits for any number of threads and samples. */
  @Test
  void bits() {
    try (var tensors = new TestTensors();
        var one = BrainTest.open(1);
        var two = BrainTest.open(2)) {
      var x = tensors.random(3, 33, 40, 64);
      var gamma = tensors.random(64);
      var beta = tensors.random(64);
      var all = tensors.out(3, 33, 40, 64);
      one.groupNorm(x, 32, gamma, beta, null, null, EPS, Activation.SILU, all);
      var parallel = tensors.out(3, 33, 40, 64);
      two.groupNorm(x, 32, gamma, beta, null, null, EPS, Activation.SILU, parallel);
      assertSameBits("two threads", all, parallel);
      var alone = tensors.out(1, 33, 40, 64);
      two.groupNorm(x.slice(2, 3), 32, gamma, beta, null, null, EPS, Activation.SILU, alone);
      assertSameBits("a sample", all.slice(2, 3), alone);
    }
  }
}
