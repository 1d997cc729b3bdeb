package dev.gatun.runtime.random;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/**
 * The bit generators, by the numbers that their authors published, and what is made of the bits.
 */
class GeneratorTest {
  /** mt19937ar.out of the authors: the key 0x123, 0x234, 0x345, 0x456. */
  @Test
  void mersenneTwisterFromAKey() {
    var bits = MersenneTwister.keyed(0x123, 0x234, 0x345, 0x456);
    for (long expected : new long[] {1067595299, 955945823, 477289528, 4107218783L, 4228976476L}) {
      assertEquals(expected, bits.next32() & 0xFFFFFFFFL);
    }
  }

  /** The C++ standard's check of mt19937: the 10000th number from the seed 5489. */
  @Test
  void mersenneTwisterFromASeed() {
    var bits = new MersenneTwister(5489);
    for (int i = 1; i < 10_000; i++) {
      bits.next32();
    }
    assertEquals(4123659995L, bits.next32() & 0xFFFFFFFFL);
  }

  /** The known answers of Random123 for philox4x32-10. */
  @Test
  void philox() {
    assertEquals(0x6627e8d5_e169c58dL, new PhiloxRandom(0).words(0, 0, 0, 0));
    assertEquals(0x408f276d_41c83b0eL, new PhiloxRandom(-1).words(-1, -1, -1, -1));
    assertEquals(
        0xd16cfe09_94fdccebL,
        new PhiloxRandom(0x299f31d0_a4093822L)
            .words(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344));
  }

  @Test
  void philoxIsNormalAndCountsItsCalls() {
    int n = 20_000;
    var first = new float[n];
    var second = new float[n];
    var random = new PhiloxRandom(42);
    random.normal(first, 0, n);
    random.normal(new float[1], 0, 0);
    random.normal(second, 0, n);
    assertFalse(Arrays.equals(first, second));
    for (var draw : new float[][] {first, second}) {
      double sum = 0;
      double squares = 0;
      for (float value : draw) {
        sum += value;
        squares += value * value;
      }
      // four standard deviations of the estimates
      assertEquals(0, sum / n, 4 / Math.sqrt(n), "mean, seed 42");
      assertEquals(1, squares / n, 4 * Math.sqrt(2.0 / n), "variance, seed 42");
    }
    // element i depends on i and the call alone
    var other = new PhiloxRandom(42);
    var some = new float[9];
    other.normal(some, 2, 5);
    assertEquals(first[4], some[6]);
  }

  @Test
  void sinesAndCosinesOfAFullTurn() {
    int n = 4096;
    for (int i = 0; i <= 3 * n; i++) {
      // multiples of a quarter turn and their neighbours too, where most digits cancel
      double exact = 2 * Math.PI * (i / 3) / n;
      double angle = i % 3 == 0 ? exact : i % 3 == 1 ? Math.nextUp(exact) : (float) exact;
      double sin = StrictMath.sin(angle);
      double cos = StrictMath.cos(angle);
      assertEquals(sin, Turn.sin(angle), 1.5 * Math.ulp(sin), "sin " + angle);
      assertEquals(cos, Turn.cos(angle), 1.5 * Math.ulp(cos), "cos " + angle);
    }
  }
}
