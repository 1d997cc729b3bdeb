package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NoiseScheduleTest {
  private static final double PRINTED = 1e-9;

  @ParameterizedTest
  @ValueSource(ints = {50, 1000})
  void betasAreThoseOfTheAuthorsCode(int steps) throws IOException {
    var golden = new Golden("sampler-gaussian.io.safetensors");
    var linear = golden.doubles("betas/linear/" + steps);
    var cosine = golden.doubles("betas/squaredcos_cap_v2/" + steps);
    assertEquals(steps, linear.length);
    for (int k = 0; k < steps; k++) {
      relative(linear[k], NoiseSchedule.linear(steps).beta(k), 1e-12, "linear " + k);
      relative(cosine[k], NoiseSchedule.cosine(steps).beta(k), 1e-12, "cosine " + k);
    }
  }

  @Test
  void linear() {
    var schedule = NoiseSchedule.linear(1000);
    compare(
        schedule::alphaBar,
        new int[] {0, 1, 250, 500, 750, 998, 999},
        .9999,
        .99978009207,
        .52142303062,
        .077796658365,
        .0033001583616,
        4.1181936381e-5,
        4.0358297654e-5);
    // λ = ½ log(ᾱ/(1-ᾱ))
    double first = schedule.alphaBar(0);
    double last = schedule.alphaBar(999);
    assertEquals(4.60512018, Math.log(first / (1 - first)) / 2, 1e-8);
    assertEquals(-5.05883659, Math.log(last / (1 - last)) / 2, 1e-8);
    assertEquals(123, schedule.timestep(123));
    assertEquals(1, schedule.alphaBarPrevious(0));
    assertEquals(schedule.alphaBar(4), schedule.alphaBarPrevious(5));
    assertEquals(schedule.alphaBar(6), schedule.alphaBarNext(5));
    assertEquals(0, schedule.alphaBarNext(999));
  }

  @Test
  void cosine() {
    var schedule = NoiseSchedule.cosine(1000);
    compare(
        schedule::beta,
        new int[] {0, 1, 500, 998, 999},
        4.1284224822e-5,
        4.6141752737e-5,
        3.1556914416e-3,
        .74999939290,
        .999);
    compare(
        schedule::alphaBar,
        new int[] {0, 250, 500, 750, 998, 999},
        .99995871578,
        .84588798650,
        .49228517245,
        .14317864643,
        2.4287669070e-6,
        2.4287669070e-9);
  }

  @Test
  void scaledLinear() {
    var schedule = NoiseSchedule.scaledLinear(1000);
    int[] at = {0, 1, 500, 998, 999};
    double[] betas = {.00085, .0008546987, .0048149541, .0119823763, .012};
    for (int i = 0; i < at.length; i++) {
      assertEquals(betas[i], schedule.beta(at[i]), 5.1e-11, "beta " + at[i]); // as printed
    }
    at = new int[] {0, 1, 250, 500, 750, 998, 999};
    double[] bars = {
      .99915, .9982960278, .6737926252, .2763326838, .056169848, .0047166989, .0046600985
    };
    for (int i = 0; i < at.length; i++) {
      assertEquals(bars[i], schedule.alphaBar(at[i]), 5.1e-11, "alphaBar " + at[i]);
    }
    assertEquals(3.534711924, -Math.log(schedule.sigma(0)), 1e-9);
    assertEquals(-2.682023850, -Math.log(schedule.sigma(999)), 1e-9);
  }

  /** The older names, by their formulas. */
  @Test
  void named() {
    assertEquals(
        NoiseSchedule.linear(50).alphaBar(49), NoiseSchedule.named("linear", 50).alphaBar(49));
    assertEquals(
        NoiseSchedule.cosine(50).alphaBar(49), NoiseSchedule.named("Cosine", 50).alphaBar(49));
    assertEquals(
        NoiseSchedule.cosine(50).alphaBar(7),
        NoiseSchedule.named("squaredcos_cap_v2", 50).alphaBar(7));
    assertEquals(
        NoiseSchedule.scaledLinear(9).beta(4), NoiseSchedule.named("scaled_linear", 9).beta(4));
    var quad = NoiseSchedule.named("quad", 1000);
    relative(1e-4, quad.beta(0), 1e-12, "quad");
    relative(0.02, quad.beta(999), 1e-12, "quad");
    double root = 0.01 + 400 / 999.0 * (Math.sqrt(0.02) - 0.01);
    relative(root * root, quad.beta(400), 1e-12, "quad");
    var constant = NoiseSchedule.named("const", 1000);
    relative(0.02, constant.beta(0), 1e-15, "const");
    relative(0.02, constant.beta(999), 1e-15, "const");
    var jsd = NoiseSchedule.named("jsd", 1000);
    relative(0.001, jsd.beta(0), 1e-15, "jsd");
    relative(0.25, jsd.beta(996), 1e-15, "jsd");
    relative(1, jsd.beta(999), 1e-15, "jsd");
    for (int percent : new int[] {10, 50}) {
      var warmUp = NoiseSchedule.named("warmup" + percent, 1000);
      int rising = 10 * percent;
      relative(1e-4, warmUp.beta(0), 1e-12, "warmup");
      relative(1e-4 + 30 * 0.0199 / (rising - 1), warmUp.beta(30), 1e-12, "warmup");
      relative(0.02, warmUp.beta(rising - 1), 1e-15, "warmup");
      relative(0.02, warmUp.beta(999), 1e-15, "warmup");
    }
    var error =
        assertThrows(IllegalArgumentException.class, () -> NoiseSchedule.named("sigmoid", 9));
    assertTrue(error.getMessage().contains("'sigmoid'; there are linear"), error.getMessage());
    assertThrows(IllegalArgumentException.class, () -> NoiseSchedule.named("quad", 0));
  }

  /** What the network is told goes with the step through any respacing. */
  @Test
  void toldOtherwise() {
    var uvit = NoiseSchedule.scaledLinear(1000).toldAs(i -> i + 1);
    assertEquals(1, uvit.time(0));
    assertEquals(1000, uvit.time(999));
    var respaced = uvit.respace(Respacing.parse("5"));
    assertEquals(750, respaced.time(3));
    assertEquals(749, respaced.timestep(3));
    assertEquals(999, NoiseSchedule.linear(1000).time(999));
  }

  @Test
  void respaced() {
    var schedule = NoiseSchedule.linear(1000).respace(Respacing.parse("250"));
    assertEquals(250, schedule.steps());
    assertEquals(16, schedule.timestep(4));
    assertEquals(999, schedule.timestep(249));
    compare(
        schedule::beta,
        new int[] {0, 1, 2, 125, 248, 249},
        1e-4,
        5.9906556448e-4,
        9.1760299282e-4,
        4.9297903634e-2,
        7.7219305456e-2,
        7.7519344992e-2);
    compare(schedule::alphaBar, new int[] {1, 2, 125}, .99930099434, .99838403276, .076234666790);
    int[] at = {0, 1, 2, 125, 249};
    compare(
        schedule::posteriorLogVariance,
        at,
        -9.3646281598,
        -9.3646281598,
        -7.8317758613,
        -3.0141622248,
        -2.5572311526);
    compare(
        k -> Math.log(schedule.beta(k)),
        at,
        -9.2103403720,
        -7.4201395093,
        -6.9937457306,
        -3.0098737215,
        -2.5572277610);
    at = new int[] {0, 1, 125, 249};
    compare(schedule::posteriorMeanOfX0, at, 1, .85698249172, .015111960816, 5.1276149839e-4);
    compare(schedule::posteriorMeanOfX, at, 0, .1430175008, .9708670288, .9604553075);
    assertEquals(0, schedule.posteriorVariance(0));
    relative(-7.8317758613, Math.log(schedule.posteriorVariance(2)), PRINTED, "variance");
  }

  @Test
  void respacingTwiceStillCountsOriginalTimesteps() {
    var schedule =
        NoiseSchedule.linear(1000)
            .respace(new Respacing.Strided(50))
            .respace(new Respacing.Strided(10));
    assertEquals(10, schedule.steps());
    for (int k = 0; k < 10; k++) {
      assertEquals(100 * k, schedule.timestep(k));
      relative(
          NoiseSchedule.linear(1000).alphaBar(100 * k), schedule.alphaBar(k), 1e-12, "step " + k);
    }
  }

  @Test
  void oneStepHasFiniteTables() {
    var schedule = NoiseSchedule.linear(1000).respace(Respacing.parse("1"));
    assertEquals(1, schedule.steps());
    assertEquals(Math.log(1e-4), schedule.posteriorLogVariance(0), 1e-9);
    assertEquals(.1, NoiseSchedule.linear(1).beta(0), 1e-15);
  }

  @Test
  void refusesBetasThatAreNone() {
    for (double beta : new double[] {Double.NaN, 0, -0.1, 1.0000001, Double.POSITIVE_INFINITY}) {
      var error =
          assertThrows(IllegalArgumentException.class, () -> NoiseSchedule.ofBetas(0.1, beta));
      assertTrue(error.getMessage().startsWith("beta 1 is " + beta), error.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> NoiseSchedule.ofBetas());
    assertThrows(IllegalArgumentException.class, () -> NoiseSchedule.linear(0));
    assertThrows(IllegalArgumentException.class, () -> NoiseSchedule.linear(10));
    assertThrows(IllegalArgumentException.class, () -> NoiseSchedule.cosine(-1));
    assertEquals(0, NoiseSchedule.ofBetas(1).alphaBar(0));
  }

  @Test
  void doesNotChangeWithTheArrayItCameFrom() {
    double[] betas = {0.1, 0.2};
    var schedule = NoiseSchedule.ofBetas(betas);
    betas[0] = 0.5;
    assertEquals(0.1, schedule.beta(0));
    assertEquals(0.9 * 0.8, schedule.alphaBar(1), 1e-15);
  }

  private static void compare(IntToDoubleFunction table, int[] at, double... expected) {
    assertEquals(at.length, expected.length);
    for (int i = 0; i < at.length; i++) {
      relative(expected[i], table.applyAsDouble(at[i]), PRINTED, "index " + at[i]);
    }
  }

  private static void relative(double expected, double found, double tolerance, String what) {
    assertEquals(expected, found, tolerance * Math.max(Math.abs(expected), 1e-300), what);
  }
}
