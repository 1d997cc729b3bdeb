package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import org.junit.jupiter.api.Test;

class PreconditioningTest {
  @Test
  void edm() {
    var edm = new Preconditioning.Edm();
    assertEquals(0.25 / 9.25, edm.skip(3), 1e-15);
    assertEquals(1.5 / Math.sqrt(9.25), edm.out(3), 1e-15);
    assertEquals(1 / Math.sqrt(9.25), edm.in(3), 1e-15);
    assertEquals(Math.log(3) / 4, edm.noise(3), 1e-15);
    assertThrows(IllegalArgumentException.class, () -> new Preconditioning.Edm(0));
  }

  @Test
  void songs() {
    var ve = new Preconditioning.Ve();
    assertEquals(1, ve.skip(3));
    assertEquals(3, ve.out(3));
    assertEquals(1, ve.in(3));
    assertEquals(Math.log(1.5), ve.noise(3), 1e-15);
    var vp = new Preconditioning.Vp(new NetworkTime.OfCurve(LinearVp.uvit()), Prediction.EPSILON);
    assertEquals(1, vp.skip(3));
    assertEquals(-3, vp.out(3));
    assertEquals(1 / Math.sqrt(10), vp.in(3), 1e-15);
    // σ⁻¹ of EDM's VP: (√(β_min² + 2β_d·ln(σ²+1)) - β_min)/β_d
    double time = (Math.sqrt(0.01 + 2 * 19.9 * Math.log(10)) - 0.1) / 19.9;
    assertEquals(999 * time, vp.noise(3), 1e-9);
  }

  @Test
  void timesBetweenSteps() {
    var schedule = NoiseSchedule.scaledLinear(1000).toldAs(i -> i + 1);
    var linear = new NetworkTime.OfSteps(schedule, false);
    var nearest = new NetworkTime.OfSteps(schedule, true);
    for (int i = 0; i < 1000; i += 37) {
      assertEquals(i + 1, linear.at(schedule.sigma(i)), 1e-7);
      assertEquals(i + 1, nearest.at(schedule.sigma(i)));
    }
    double low = Math.log(schedule.sigma(500));
    double high = Math.log(schedule.sigma(501));
    assertEquals(501.3, linear.at(Math.exp(low + 0.3 * (high - low))), 1e-6);
    assertEquals(501, nearest.at(Math.exp(low + 0.3 * (high - low))));
    assertEquals(502, nearest.at(Math.exp(low + 0.7 * (high - low))));
    assertEquals(1, linear.at(1e-5));
    assertEquals(1000, linear.at(1e5));
  }

  @Test
  void iddpmKnowsItsLevelsOnly() {
    var time = new NetworkTime.OfIDdpm();
    var levels = time.levels();
    assertEquals(1000, levels.length);
    for (int i = 0; i < 1000; i++) {
      assertEquals(levels[i], time.nearest(levels[i]));
      assertEquals(999 - i, time.at(levels[i]));
    }
    assertEquals(levels[0], time.nearest(1e9));
    assertEquals(levels[999], time.nearest(0));
    double near = levels[400] * 0.6 + levels[401] * 0.4;
    assertEquals(levels[400], time.nearest(near));
    near = levels[400] * 0.4 + levels[401] * 0.6;
    assertEquals(levels[401], time.nearest(near));
  }

  /** {@code D = c_skip·x + c_out·F(c_in·x; c_noise)}, guided and corrected. */
  @Test
  void wrapsANetwork() {
    var network =
        new PointwiseDenoiser(1, true) {
          @Override
          double prediction(double x, double t) {
            return Math.sin(x) + t;
          }

          @Override
          double variance(double x, double t) {
            return 1000;
          }
        };
    var edm = new Preconditioning.Edm();
    double sigma = 2.5;
    double seen = 1.7 * edm.in(sigma);
    double expected =
        edm.skip(sigma) * 1.7 + edm.out(sigma) * (Math.sin(seen) + Math.log(sigma) / 4);
    double gradient = 0.3 * Math.cos(seen);
    try (var backend = TestBackend.open();
        var workspace = backend.workspace();
        var x = Tensor.of(Shape.of(1, 1, 1, 1), 1.7f);
        var out = backend.allocate(DType.F32, Shape.of(1, 1, 1, 1))) {
      new PreconditionedDenoiser(network, edm, X0Correction.none(), 1, backend, workspace)
          .predict(x, sigma, out);
      assertEquals(expected, out.getFloat(0), 1e-6);
      var guided = network.guidedBy(Toy.COSINE);
      new PreconditionedDenoiser(guided, edm, X0Correction.none(), 1, backend, workspace)
          .predict(x, sigma, out);
      double moved = expected + sigma * sigma * edm.in(sigma) * gradient;
      assertEquals(moved, out.getFloat(0), 1e-6);
      new PreconditionedDenoiser(guided, edm, new X0Correction.Clamp(0.1), 1, backend, workspace)
          .predict(x, sigma, out);
      assertEquals(0.1, out.getFloat(0), 1e-7);
      assertEquals(0, workspace.mark());
      assertThrows(
          IllegalArgumentException.class,
          () ->
              new PreconditionedDenoiser(network, edm, X0Correction.none(), 3, backend, workspace));
    }
  }
}
