package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/** Samplers on one number, and on the batches of the golden files. */
final class Toy {
  private Toy() {}

  /** The gradient that the guided traces follow. */
  static final Gradient COSINE =
      (x, t, out) -> out.setFloat(0, (float) (0.3 * Math.cos(x.getFloat(0))));

  /** One number, the noise of whose k-th draw is sin(k+1). */
  static float sample(Sampler sampler, Denoiser network, double start) throws InterruptedException {
    var noise =
        new Noise() {
          private int draws;

          @Override
          public void next(Tensor out) {
            out.setFloat(0, (float) Math.sin(++draws));
          }
        };
    try (var backend = TestBackend.open();
        var workspace = backend.workspace();
        var x = Tensor.of(Shape.of(1, 1, 1, 1), (float) start)) {
      sampler.sample(network, x, noise, backend, workspace, null);
      assertEquals(0, workspace.mark());
      return x.getFloat(0);
    }
  }

  /** Compares with a printed number, relative to it or to 1. */
  static void meets(double expected, Sampler sampler, Denoiser network, double start)
      throws InterruptedException {
    double found = sample(sampler, network, start);
    assertEquals(expected, found, 2e-5 * Math.max(1, Math.abs(expected)), sampler.toString());
  }

  /** A batch of pictures, from a golden start to a golden end. */
  static void meetsGolden(
      Golden golden, String start, String trace, Sampler sampler, Denoiser network, Noise noise)
      throws InterruptedException {
    var expected = golden.floats(trace + "/x_0");
    try (var backend = TestBackend.open();
        var workspace = backend.workspace();
        var x = TestBackend.fromNchw(backend, golden.floats(start), 2, 3, 8, 8)) {
      sampler.sample(network, x, noise, backend, workspace, null);
      float max = 0;
      for (float value : expected) {
        max = Math.max(max, Math.abs(value));
      }
      assertArrayEquals(expected, TestBackend.toNchw(backend, x), 1e-5f * max, trace);
    }
  }
}
