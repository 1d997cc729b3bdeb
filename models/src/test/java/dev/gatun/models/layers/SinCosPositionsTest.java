package dev.gatun.models.layers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Against the table of the authors' code for DiT-XL/2 at 256 pixels. */
class SinCosPositionsTest {
  private static final int D = 1152;
  private static final float[] TABLE = SinCosPositions.table(16, D);

  @Test
  void tokenOfTheFirstRowAndSecondColumn() {
    check(1, 0, .8414709848, .8240513478, .8064016693);
    check(1, 288, .5403023059, .5665151155, .5913681998);
    check(1, 576, 0, 0, 0);
    check(1, 864, 1, 1);
  }

  @Test
  void tokenOfTheSecondRowAndFirstColumn() {
    check(16, 0, 0, 0);
    check(16, 288, 1);
    check(16, 576, .8414709848, .8240513478, .8064016693);
    check(16, 864, .5403023059);
  }

  private static void check(int token, int from, double... expected) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], TABLE[token * D + from + i], 1e-7, "token " + token + ", " + i);
    }
  }

  @Test
  void sums() {
    assertEquals(256 * D, TABLE.length);
    assertEquals(134598.94780, sum(0, 256), 1e-3);
    assertEquals(473.3203588, sum(255, 256), 1e-5);
  }

  private static double sum(int fromToken, int toToken) {
    double sum = 0;
    for (int i = fromToken * D; i < toToken * D; i++) {
      sum += TABLE[i];
    }
    return sum;
  }

  @Test
  void widthsThatDoNotDivideAreRefused() {
    var e = assertThrows(IllegalArgumentException.class, () -> SinCosPositions.table(2, 6));
    assertTrue(e.getMessage().contains("width 6"), e.getMessage());
  }
}
