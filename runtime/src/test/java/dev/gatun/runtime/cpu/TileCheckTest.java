package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class TileCheckTest {
  private static final long SEED = 20261124;

  @Test
  void aTileThatSpillsIsSlow() {
    assertTrue(TileCheck.isSlow(39, 95));
    assertFalse(TileCheck.isSlow(99, 95));
    assertFalse(TileCheck.isSlow(90, 95), "noise of a shared machine");
  }

  @Test
  void theMessageSaysHowFastAndWhatToDo() {
    var message = TileCheck.message(39.2, 95.4);
    assertTrue(message.contains("39 GFLOP/s, of 4 rows 95"), message);
    assertTrue(message.contains("start it again"), message);
  }

  /** The next best tile must be a matter of time alone. */
  @Test
  void fourRowsAtATimeHaveTheBitsOfTheLargestTile() {
    for (int rows = 1; rows <= MicroKernel.ROWS; rows++) {
      for (int k : new int[] {0, 1, 37, MicroKernel.DEPTH}) {
        for (boolean goOn : new boolean[] {false, true}) {
          var what = "rows %d, k %d, go on %b, seed %d".formatted(rows, k, goOn, SEED);
          MicroKernel.useFourRows(true);
          float[] small;
          try {
            small = multiply(rows, k, goOn);
          } finally {
            MicroKernel.useFourRows(false);
          }
          float[] large = multiply(rows, k, goOn);
          assertArrayEquals(large, small, 0f, what);
        }
      }
    }
  }

  private static float[] multiply(int rows, int k, boolean goOn) {
    var random = new SplittableRandom(SEED);
    float[] a = random(random, MicroKernel.ROWS * MicroKernel.STRIDE);
    float[] b = random(random, MicroKernel.DEPTH * MicroKernel.WIDTH);
    float[] c = random(random, MicroKernel.ROWS * MicroKernel.WIDTH);
    float[] bias = random(random, MicroKernel.WIDTH);
    if (goOn) {
      MicroKernel.multiply(a, 0, b, 0, k, c, 0, MicroKernel.WIDTH, c, 0, rows);
    } else {
      MicroKernel.multiply(a, 0, b, 0, k, bias, 0, 0, c, 0, rows);
    }
    return c;
  }

  private static float[] random(SplittableRandom random, int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }
}
