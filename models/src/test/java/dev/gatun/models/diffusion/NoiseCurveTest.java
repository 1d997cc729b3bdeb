package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class NoiseCurveTest {
  static List<NoiseCurve> curves() {
    return List.of(
        LinearVp.uvit(),
        new CosineVp(1000),
        InterpolatedVp.of(NoiseSchedule.scaledLinear(1000)),
        InterpolatedVp.clipped(NoiseSchedule.cosine(1000)),
        InterpolatedVp.clipped(NoiseSchedule.linear(1000)));
  }

  @ParameterizedTest
  @MethodSource("curves")
  void theInverseLeadsBack(NoiseCurve curve) {
    double before = Double.POSITIVE_INFINITY;
    for (int i = 1; i <= 400; i++) {
      double t = i / 400.0 * curve.start();
      double lambda = curve.lambda(t);
      assertTrue(lambda < before, "time " + t);
      before = lambda;
      assertEquals(t, curve.inverseLambda(lambda), 1e-9, "time " + t);
      assertEquals(1, Math.pow(curve.alpha(t), 2) + Math.pow(curve.sigma(t), 2), 1e-12);
      assertEquals(Math.log(curve.alpha(t) / curve.sigma(t)), lambda, 1e-9);
    }
  }

  @ParameterizedTest
  @MethodSource("curves")
  void betaIsTheSlope(NoiseCurve curve) {
    for (int i = 0; i < 100; i++) {
      double t = (i + 0.5123) / 100 * curve.start(); // off the knots
      double slope = (curve.logAlpha(t + 1e-7) - curve.logAlpha(t - 1e-7)) / 2e-7;
      assertEquals(-2 * slope, curve.beta(t), 1e-5 * Math.abs(slope), "time " + t);
    }
  }

  /** The outer times of U-ViT's 50 evaluations. */
  @Test
  void uvit() {
    var curve = LinearVp.uvit();
    assertEquals(-5.0249784, curve.lambda(1), 1e-7);
    assertEquals(5.7515098, curve.lambda(1e-4), 1e-7);
    double[] expected = {
      1,
      .934478612,
      .864047554,
      .787444268,
      .702847272,
      .607676274,
      .498889469,
      .375998443,
      .250203654,
      .146555800,
      .0788312233,
      .0402199500,
      .0194374661,
      .00864589871,
      .00338749507,
      .00114458936,
      .000346869617,
      .0001
    };
    var times = Spacing.LAMBDA.times(curve, 1, 1e-4, 17);
    assertEquals(expected.length, times.length);
    for (int i = 0; i < times.length; i++) {
      assertEquals(expected[i], times[i], 2e-9, "time " + i);
    }
    assertEquals(999, curve.networkTime(1));
  }

  @Test
  void knotsAreTheSteps() {
    var schedule = NoiseSchedule.linear(1000);
    var curve = InterpolatedVp.clipped(schedule);
    assertEquals(1000, curve.knots());
    var uvit = InterpolatedVp.of(schedule.toldAs(i -> i + 1));
    for (int i = 0; i < 1000; i++) {
      double t = (i + 1) / 1000.0;
      assertEquals(Math.log(schedule.alphaBar(i)) / 2, curve.logAlpha(t), 1e-9, "step " + i);
      assertEquals(i, curve.networkTime(t), 1e-9);
      assertEquals(i + 1, uvit.networkTime(t), 1e-9);
    }
    // beyond the knots the end segments go on
    double first = curve.logAlpha(0.001);
    assertEquals(2 * first - curve.logAlpha(0.002), curve.logAlpha(0), 1e-12);
    assertEquals(0.0004, curve.inverseLambda(curve.lambda(0.0004)), 1e-12);
  }

  @Test
  void theCosineIsCut() {
    var curve = InterpolatedVp.clipped(NoiseSchedule.cosine(1000));
    assertEquals(996, curve.knots());
    assertEquals(998.996, curve.networkTime(1), 1e-3);
    assertEquals(Math.log(NoiseSchedule.cosine(1000).alphaBar(995)) / 2, curve.logAlpha(1), 1e-9);
    assertEquals(1000, InterpolatedVp.of(NoiseSchedule.cosine(1000)).knots());
  }

  @Test
  void respacedSchedulesAreNoCurve() {
    var respaced = NoiseSchedule.linear(1000).respace(Respacing.parse("10"));
    for (var schedule :
        List.of(respaced, NoiseSchedule.ofBetas(0.1), NoiseSchedule.named("jsd", 9))) {
      var error = assertThrows(IllegalArgumentException.class, () -> InterpolatedVp.of(schedule));
      assertTrue(error.getMessage().contains("continuous time"), error.getMessage());
    }
    assertEquals(8, InterpolatedVp.clipped(NoiseSchedule.named("jsd", 9)).knots());
  }

  @ParameterizedTest
  @MethodSource("curves")
  void stepsLieOnTheCurve(NoiseCurve curve) {
    var schedule = curve.discretised(200);
    for (int i = 0; i < 200; i++) {
      double t = (i + 1) / 200.0 * curve.start();
      double expected = Math.exp(2 * curve.logAlpha(t));
      assertEquals(expected, schedule.alphaBar(i), 1e-11, "step " + i);
      assertEquals(curve.networkTime(t), schedule.time(i));
    }
    assertThrows(IllegalArgumentException.class, () -> curve.discretised(0));
  }
}
