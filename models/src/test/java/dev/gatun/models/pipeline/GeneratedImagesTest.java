package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GeneratedImagesTest {
  /** {@code ⌊255·clamp((x + 1)/2, 0, 1) + ½⌋}, worked out by hand. */
  @Test
  void bytesAreRoundedAsSaveImageDoes() {
    float[] samples = {-2, -1, -0.999f, -0.9961f, -0.9960f, 0, 0.9960f, 0.9962f, 1, 7};
    var images = images(1, 1, 10, 1, samples);
    assertArrayEquals(
        new byte[] {0, 0, 0, 0, 1, (byte) 128, (byte) 254, (byte) 255, (byte) 255, (byte) 255},
        images.bytes());
  }

  /** Each of the authors' scripts, at the places where they differ. */
  @ParameterizedTest
  @CsvSource({
    "NEAREST, 0, 128",
    "DOWN, 0, 127",
    "SHIFTED, 0, 128",
    "NEAREST, -1, 0",
    "DOWN, -1, 0",
    "SHIFTED, -1, 0",
    "NEAREST, 0.5, 191",
    "DOWN, 0.5, 191",
    "SHIFTED, 0.5, 191",
    "NEAREST, 0.998, 255",
    "DOWN, 0.998, 254",
    "SHIFTED, 0.993, 254",
    "SHIFTED, 1, 255",
    "DOWN, 7, 255",
    "SHIFTED, -7, 0",
    "NEAREST, NaN, 0",
    "DOWN, NaN, 0"
  })
  void roundings(Rounding rounding, float x, int level) {
    assertEquals(level, rounding.level(x));
  }

  @Test
  void aPictureIsRedGreenBlueRowByRow() {
    // two pictures of 1 × 2 pixels
    var images = images(2, 1, 2, 3, 1, -1, -1, -1, 1, -1, -1, -1, 1, 1, 1, 1);
    assertEquals(0xFFFF0000, images.image(0).getRGB(0, 0));
    assertEquals(0xFF00FF00, images.image(0).getRGB(1, 0));
    assertEquals(0xFF0000FF, images.image(1).getRGB(0, 0));
    assertEquals(0xFFFFFFFF, images.image(1).getRGB(1, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> images.image(2));
    assertThrows(IndexOutOfBoundsException.class, () -> images.image(-1));
  }

  @Test
  void greyPicturesAreGrey() {
    assertEquals(0xFF808080, images(1, 1, 1, 1, 0).image(0).getRGB(0, 0));
  }

  @Test
  void theGridIsNearlySquareWithBlackBetween() {
    // eight leave a hole in three columns, none in four; five leave one in either
    assertEquals(4 * 3 + 2, images(8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).grid().getWidth());
    var grid = images(5, 1, 1, 1, 1, 1, 1, 1, 1).grid();
    // three columns and two rows of one pixel, two black ones around each
    assertEquals(3 * 3 + 2, grid.getWidth());
    assertEquals(2 * 3 + 2, grid.getHeight());
    int white = 0;
    for (int y = 0; y < grid.getHeight(); y++) {
      for (int x = 0; x < grid.getWidth(); x++) {
        boolean lit = grid.getRGB(x, y) == 0xFFFFFFFF;
        white += lit ? 1 : 0;
        assertEquals(x % 3 == 2 && y % 3 == 2 && !(x == 8 && y == 5), lit, x + " " + y);
      }
    }
    assertEquals(5, white);
  }

  @Test
  void parametersAreTheirOwnDescription() {
    var parameters = new LinkedHashMap<>(Map.of("seed", "7"));
    parameters.put("steps", "5");
    var images =
        new GeneratedImages(1, 1, 1, 1, new float[1], new long[1], Rounding.NEAREST, parameters);
    assertEquals("seed: 7, steps: 5", images.describe());
  }

  @Test
  void whatDoesNotGoTogetherIsRefused() {
    refused(() -> images(0, 1, 1, 1), "0 pictures of 1×1 pixels");
    refused(() -> images(1, -1, -1, 1, 0), "-1×-1");
    refused(() -> images(1, 1, 1, 0), "with 0 channels");
    refused(() -> images(2, 1, 1, 1, 0), "1 samples for 2 pictures");
    refused(() -> images(1, 1, 1, 1, 0, 0), "2 samples for 1 pictures");
    refused(() -> images(2, 1, 2, 1, 0, 0, 0, 0, 0), "5 samples");
    // more than any product holds
    int most = Integer.MAX_VALUE;
    refused(() -> images(1, most, most, most), "0 samples");
    var one = new float[1];
    refused(
        () ->
            new GeneratedImages(
                1, 1, 1, 1, one, new long[2], Rounding.NEAREST, new LinkedHashMap<>()),
        "2 labels for 1 pictures");
    var e =
        assertThrows(
            NullPointerException.class,
            () ->
                new GeneratedImages(
                    1, 1, 1, 1, null, new long[1], Rounding.NEAREST, new LinkedHashMap<>()));
    assertEquals("samples", e.getMessage());
  }

  private static void refused(Executable made, String fact) {
    var e = assertThrows(IllegalArgumentException.class, made);
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  private static GeneratedImages images(
      int count, int height, int width, int channels, float... samples) {
    return new GeneratedImages(
        count,
        height,
        width,
        channels,
        samples,
        new long[count],
        Rounding.NEAREST,
        new LinkedHashMap<>());
  }
}
