package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.reference.HostMovement;
import org.junit.jupiter.api.Test;

class WinogradTest {
  private static boolean pays(int in, int size, int stride, int height, int width) {
    return pays(in, size, stride, height, width, 1);
  }

  private static boolean pays(int in, int size, int stride, int height, int width, int speed) {
    try (var stored = Tensor.allocate(DType.F32, Shape.of(5, in, size, size));
        var kernel = new PackedKernel(stored, new ThreadTeam(1))) {
      return Winograd.pays(kernel, Conv2dSpec.padded(stride, size / 2), height, width, speed);
    }
  }

  @Test
  void paysForMapsOfManyTilesAndMoreThanAFewChannels() {
    assertTrue(pays(64, 3, 1, 12, 12));
    assertTrue(pays(8, 3, 1, 256, 256));
    assertFalse(pays(64, 3, 1, 8, 8), "four tiles");
    assertFalse(pays(64, 3, 1, 9, 9), "tiles that are mostly empty");
    assertFalse(pays(64, 3, 1, 1, 4096), "lines");
    assertFalse(pays(3, 3, 1, 64, 64), "pictures");
    assertFalse(pays(64, 3, 2, 64, 64), "stride 2");
    assertFalse(pays(64, 5, 1, 64, 64), "another kernel");
    assertFalse(pays(64, 1, 1, 64, 64), "a linear layer");
  }

  @Test
  void paysForFewerMapsWhereADirectSumIsFaster() {
    assertTrue(pays(64, 3, 1, 16, 16, 2));
    assertFalse(pays(64, 3, 1, 12, 12, 2));
  }

  /** A kernel in bf16 is the same as one in f32 whose numbers are those of bf16. */
  @Test
  void readsBothKindsOfKernels() {
    assumeTrue(BrainProduct.unavailable().isEmpty(), BrainProduct.unavailable());
    var team = new ThreadTeam(1);
    var winograd = new Winograd(team, new Scratch[] {new Scratch()});
    var spec = Conv2dSpec.same(3);
    for (int in : new int[] {8, 50, 64, 110}) {
      try (var operators = new BrainOperators(team, winograd);
          var x = numbers(2, 9, 8, in);
          var stored = numbers(70, in, 3, 3);
          var rounded = Tensor.allocate(DType.BF16, stored.shape())) {
        HostMovement.copy(stored, rounded);
        try (var brain = operators.packKernel(stored);
            var packed = new PackedKernel(rounded, team);
            var expected = numbers(2, 9, 8, 70);
            var found = numbers(2, 9, 8, 70)) {
          winograd.conv2d(x, packed, spec, Epilogue.NONE, null, expected);
          winograd.conv2d(x, brain, spec, Epilogue.NONE, null, found);
          assertArrayEquals(expected.toFloats(), found.toFloats(), in + " channels");
        }
      }
    }
  }

  /** A direct sum rounds otherwise, so equal bits show which of the two was computed. */
  @Test
  void convolutionLeavesItToWinograd() {
    var team = new ThreadTeam(1);
    var scratch = new Scratch[] {new Scratch()};
    var winograd = new Winograd(team, scratch);
    var convolution = new Convolution(new Gemm(team, scratch), winograd);
    var spec = Conv2dSpec.same(3);
    try (var x = numbers(1, 12, 12, 40);
        var stored = numbers(33, 40, 3, 3);
        var kernel = new PackedKernel(stored, new ThreadTeam(1));
        var chosen = numbers(1, 12, 12, 33);
        var expected = numbers(1, 12, 12, 33)) {
      convolution.conv2d(x, kernel, spec, Epilogue.NONE, null, chosen);
      winograd.conv2d(x, kernel, spec, Epilogue.NONE, null, expected);
      assertArrayEquals(expected.toFloats(), chosen.toFloats());
    }
  }

  private static Tensor numbers(int... dims) {
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    float[] values = new float[Math.toIntExact(tensor.shape().size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(i * 0.7 + dims.length);
    }
    tensor.setFloats(values);
    return tensor;
  }

  @Test
  void fewTilesAreSharedByTheirChannels() {
    assertEquals(4, Winograd.tileParts(1024, 8, 4));
    assertEquals(1, Winograd.tileParts(1, 8, 4));
    assertEquals(1, Winograd.tileParts(16, 64, 2));
  }

  /** Bᵀ, G and A together are a convolution: four results of three taps. */
  @Test
  void oneLine() {
    int lanes = Lanes.COUNT;
    float[] d = new float[6 * lanes];
    float[] g = new float[3 * lanes];
    for (int i = 0; i < d.length; i++) {
      d[i] = (i * 37 % 23 - 11) / 8f;
    }
    for (int i = 0; i < g.length; i++) {
      g[i] = (i * 29 % 17 - 8) / 4f;
    }
    float[] v = new float[6 * lanes];
    float[] u = new float[6 * lanes];
    WinogradTransform.input(d, 0, lanes, v, 0, lanes, lanes);
    WinogradTransform.filter(g, 0, lanes, u, 0, lanes, lanes);
    for (int i = 0; i < v.length; i++) {
      v[i] *= u[i];
    }
    float[] y = new float[4 * lanes];
    WinogradTransform.output(v, 0, lanes, y, 0, lanes, lanes);
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < lanes; j++) {
        float sum = 0;
        for (int tap = 0; tap < 3; tap++) {
          sum += d[(i + tap) * lanes + j] * g[tap * lanes + j];
        }
        assertEquals(sum, y[i * lanes + j], 1e-5f, "result " + i + " of lane " + j);
      }
    }
  }
}
