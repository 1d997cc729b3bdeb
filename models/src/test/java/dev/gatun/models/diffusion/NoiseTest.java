package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.random.PhiloxRandom;
import dev.gatun.runtime.random.TorchRandom;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class NoiseTest {
  private static final int C = 3;
  private static final int H = 5;
  private static final int W = 7;
  private static final int SIZE = C * H * W;

  private final Backend backend = TestBackend.open();

  @AfterEach
  void close() {
    backend.close();
  }

  @Test
  void torchDrawsTheWholeBatchInNchwOrder() {
    var random = new TorchRandom(11);
    var noise = Noise.torch(11, backend);
    for (int draw = 0; draw < 3; draw++) {
      var expected = new float[2 * SIZE];
      random.normal(expected, 0, 2 * SIZE);
      assertArrayEquals(expected, next(noise, 2), "seed 11, draw " + draw);
    }
  }

  /** What EDM adds: f64 uniforms are other draws than f32 ones, not only more digits. */
  @Test
  void torchDrawsDoublesToo() {
    var random = new TorchRandom(11);
    var noise = Noise.torchDouble(11, backend);
    for (int draw = 0; draw < 3; draw++) {
      var doubles = new double[2 * SIZE];
      random.normal(doubles, 0, 2 * SIZE);
      var expected = new float[2 * SIZE];
      for (int i = 0; i < expected.length; i++) {
        expected[i] = (float) doubles[i];
      }
      assertArrayEquals(expected, next(noise, 2), "seed 11, draw " + draw);
    }
  }

  /**
   * DiT's script: torch.randn(n, …) once, then of the doubled batch, whose first half is kept; the
   * same again for the next batch. What is passed over counts, too.
   */
  @Test
  void copiesAreDrawnOnTheWay() {
    var random = new TorchRandom(11);
    var noise = Noise.batch(new TorchRandom(11), 2, backend);
    try (var out = backend.allocate(DType.F32, Shape.of(2, H, W, C))) {
      for (int draw = 0; draw < 6; draw++) {
        var expected = new float[(draw % 3 == 0 ? 1 : 2) * 2 * SIZE];
        random.normal(expected, 0, expected.length);
        if (draw == 4) {
          noise.skip(out);
          continue;
        }
        if (draw % 3 == 0) {
          noise.begin(out);
        } else {
          noise.next(out);
        }
        assertArrayEquals(
            Arrays.copyOf(expected, 2 * SIZE), TestBackend.toNchw(backend, out), "draw " + draw);
      }
    }
    assertThrows(
        IllegalArgumentException.class, () -> Noise.batch(new PhiloxRandom(0), 0, backend));
  }

  @Test
  void anImageDoesNotDependOnItsBatch() {
    long seed = -77;
    var all = Noise.perImage(seed, 0, backend);
    var pair = Noise.perImage(seed, 2, backend);
    var alone = Noise.perImage(seed, 3, backend);
    for (int draw = 0; draw < 3; draw++) {
      var images = next(all, 5);
      assertArrayEquals(
          Arrays.copyOfRange(images, 2 * SIZE, 4 * SIZE), next(pair, 2), "draw " + draw);
      assertArrayEquals(
          Arrays.copyOfRange(images, 3 * SIZE, 4 * SIZE), next(alone, 1), "draw " + draw);
      assertFalse(
          Arrays.equals(images, 0, SIZE, images, SIZE, 2 * SIZE), "images 0 and 1 are the same");
    }
    // what image 3 of this seed is made of, in the documented way
    var expected = new float[SIZE];
    TorchRandom.stream(seed, 3).normal(expected, 0, SIZE);
    assertArrayEquals(expected, next(Noise.perImage(seed, 3, backend), 1));
  }

  @Test
  void writesIntoViews() {
    try (var wide = backend.allocate(DType.F32, Shape.of(1, H, W, C + 2))) {
      Noise.torch(3, backend).next(wide.columns(1, 1 + C));
      var expected = next(Noise.torch(3, backend), 1);
      for (int p = 0; p < H * W; p++) {
        var row = new float[C + 2];
        for (int c = 0; c < C; c++) {
          row[1 + c] = expected[c * H * W + p];
        }
        var found = Arrays.copyOfRange(wide.toFloats(), p * (C + 2), (p + 1) * (C + 2));
        assertArrayEquals(row, found, "pixel " + p);
      }
    }
  }

  @Test
  void refusesWhatIsNoBatchOfImages() {
    try (var matrix = backend.allocate(DType.F32, Shape.of(4, 4));
        var integers = backend.allocate(DType.I64, Shape.of(1, 2, 2, 1))) {
      var noise = Noise.torch(0, backend);
      assertThrows(IllegalArgumentException.class, () -> noise.next(matrix));
      assertThrows(IllegalArgumentException.class, () -> noise.next(integers));
    }
  }

  private float[] next(Noise noise, int images) {
    try (var out = backend.allocate(DType.F32, Shape.of(images, H, W, C))) {
      noise.next(out);
      return TestBackend.toNchw(backend, out);
    }
  }
}
