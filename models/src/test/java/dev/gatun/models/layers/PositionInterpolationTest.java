package dev.gatun.models.layers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PositionInterpolationTest {
  private static final long SEED = 11;

  /** The example "resize_upsample_scales_cubic" of ONNX: 1 … 16, twice as large, a = −¾. */
  @Test
  void itIsBicubicWithHalfPixelCentres() {
    float[] table = new float[16];
    for (int i = 0; i < 16; i++) {
      table[i] = i + 1;
    }
    float[] large = PositionInterpolation.table(table, 4, 8, 1);
    float[][] expected = {
      {0.47265625f, 0.76953125f, 1.24609375f, 1.875f},
      {1.66015625f, 1.95703125f, 2.43359375f, 3.0625f},
      {3.56640625f, 3.86328125f, 4.33984375f, 4.96875f}
    };
    for (int row = 0; row < expected.length; row++) {
      assertArrayEquals(expected[row], Arrays.copyOfRange(large, 8 * row, 8 * row + 4), 1e-6f);
    }
    for (int i = 0; i < 64; i++) {
      assertEquals(17, large[i] + large[63 - i], 1e-5, "the table is symmetric, element " + i);
    }
  }

  @ParameterizedTest
  @CsvSource({"4, 7, 3", "7, 4, 3", "1, 5, 2", "16, 32, 2", "5, 1, 1"})
  void channelsAreApartAndConstantsStay(int from, int to, int width) {
    var random = new Random(SEED);
    float[] table = new float[from * from * width];
    for (int i = 0; i < table.length; i++) {
      table[i] = i % width == 0 ? 0.625f : (float) random.nextGaussian();
    }
    float[] result = PositionInterpolation.table(table, from, to, width);
    assertEquals(to * to * width, result.length);
    for (int c = 0; c < width; c++) {
      float[] alone = new float[from * from];
      for (int i = 0; i < alone.length; i++) {
        alone[i] = table[i * width + c];
      }
      float[] channel = PositionInterpolation.table(alone, from, to, 1);
      for (int i = 0; i < channel.length; i++) {
        assertEquals(channel[i], result[i * width + c], "channel " + c + ", seed " + SEED);
        if (c == 0) {
          assertEquals(0.625f, channel[i], 1e-6, "a constant");
        }
      }
    }
  }

  @Test
  void theSameGridKeepsItsBits() {
    float[] table = {1e-30f, 2, -3.3f, 4.4f, 5, 6, 7, 8};
    assertArrayEquals(table, PositionInterpolation.table(table, 2, 2, 2));
  }

  /** Rows and columns of a table that is not symmetric are not exchanged. */
  @Test
  void rowsStayRows() {
    float[] rows = {0, 0, 0, 1, 1, 1, 2, 2, 2};
    float[] result = PositionInterpolation.table(rows, 3, 6, 1);
    for (int i = 0; i < 36; i++) {
      assertEquals(
          result[i / 6 * 6], result[i], 1e-6, "element " + i + " is as the first of its row");
    }
    assertEquals(true, result[0] < result[12] && result[12] < result[30]);
  }

  @Test
  void aTableOfAnotherSizeIsRefused() {
    float[] table = new float[12];
    assertThrows(IllegalArgumentException.class, () -> PositionInterpolation.table(table, 2, 4, 2));
    assertThrows(IllegalArgumentException.class, () -> PositionInterpolation.table(table, 2, 0, 3));
  }
}
