package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class StreamKernelTest {
  private static final long SEED = 7402;
  private static final int K = 37;

  /** Where a panel lies and how many rows pass over it must not show in the result. */
  @Test
  void everyNumberOfRowsHasTheBitsOfThePanelInAnArray() {
    var random = new SplittableRandom(SEED);
    float[] a = numbers(random, MicroKernel.ROWS * MicroKernel.STRIDE);
    float[] panel = numbers(random, K * MicroKernel.WIDTH);
    float[] start = numbers(random, MicroKernel.ROWS * MicroKernel.WIDTH);
    try (var b = Tensor.allocate(DType.F32, Shape.of(K + 1, MicroKernel.WIDTH))) {
      // The panel does not begin where the memory does.
      b.slice(1, K + 1).setFloats(panel);
      long from = (long) MicroKernel.WIDTH * Float.BYTES;
      for (int step : new int[] {0, MicroKernel.WIDTH}) {
        for (int rows = 1; rows <= StreamKernel.ROWS; rows++) {
          float[] expected = new float[start.length];
          float[] found = new float[start.length];
          MicroKernel.multiply(a, 0, panel, 0, K, start, 0, step, expected, 0, rows);
          StreamKernel.multiply(a, 0, b.segment(), from, K, start, 0, step, found, 0, rows);
          assertArrayEquals(expected, found, rows + " rows, step " + step + ", seed " + SEED);
          assertTrue(found[(rows - 1) * MicroKernel.WIDTH] != 0);
        }
      }
    }
  }

  @Test
  void wideVectorsReadAllWeightsInPlace() {
    assertEquals(Lanes.BYTES == 64, StreamKernel.pays(1000));
    assertTrue(StreamKernel.pays(StreamKernel.ROWS));
  }

  /** What attention takes at a time is whole tiles, and pieces of k are whole such blocks. */
  @Test
  void blocksOfKeysFitTilesAndPieces() {
    assertEquals(0, FlashAttention.KEYS % MicroKernel.ROWS);
    assertEquals(0, MicroKernel.DEPTH % FlashAttention.KEYS);
  }

  private static float[] numbers(SplittableRandom random, int count) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = (float) random.nextDouble(-1, 1);
    }
    return numbers;
  }
}
