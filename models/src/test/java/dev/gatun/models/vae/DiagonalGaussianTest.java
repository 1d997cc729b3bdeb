package dev.gatun.models.vae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DiagonalGaussianTest {
  private static final Shape LATENTS = Shape.of(1, 1, 2, 2);

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void theLogVarianceIsClampedAndTheMeanIsNot(String backendName) {
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var moments = Tensor.of(Shape.of(1, 1, 2, 4), 50, -50, 25, -31, 0.5f, -0.5f, 20, -30)) {
      var gaussian = new DiagonalGaussian(backend, moments);
      assertArrayEquals(new float[] {50, -50, 0.5f, -0.5f}, gaussian.mean().toFloats());
      assertArrayEquals(new float[] {20, -30, 20, -30}, gaussian.logvar().toFloats());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void samplesAreScaledAfterTheNoiseIsAdded(String backendName) {
    float log4 = (float) Math.log(4); // a deviation of 2
    float[] numbers = {1, -2, log4, -log4, 3, 0.25f, 0, log4};
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var workspace = backend.workspace();
        var moments = Tensor.of(Shape.of(1, 1, 2, 4), numbers);
        var noise = Tensor.of(LATENTS, 1, -3, 0.5f, 2);
        var out = Tensor.of(LATENTS, new float[4])) {
      var gaussian = new DiagonalGaussian(backend, moments);
      gaussian.mode(0.5, out);
      assertArrayEquals(new float[] {0.5f, -1, 1.5f, 0.125f}, out.toFloats());
      gaussian.sample(noise, 0.5, workspace, out);
      float[] expected = {1.5f, -1.75f, 1.75f, 2.125f};
      assertArrayEquals(expected, out.toFloats(), 1e-6f);
      gaussian.sample(noise, 0.5, workspace, noise);
      assertArrayEquals(out.toFloats(), noise.toFloats());
      assertEquals(0, workspace.mark());
    }
  }
}
