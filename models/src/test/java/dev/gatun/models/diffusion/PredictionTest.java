package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The same network, whatever form its prediction has. */
class PredictionTest {
  private static final NoiseSchedule LINEAR = NoiseSchedule.linear(1000);
  private static final NoiseSchedule RESPACED = LINEAR.respace(Respacing.parse("10"));

  /** The Gaussian toy, saying what it says in another form. */
  private static Denoiser toy(Prediction prediction) {
    var epsilon = PointwiseDenoiser.gaussian(false);
    return new PointwiseDenoiser(1, false) {
      @Override
      double prediction(double x, double t) {
        int step = 0;
        while (RESPACED.timestep(step) != (int) t) {
          step++;
        }
        double alpha = Math.sqrt(RESPACED.alphaBar(step));
        double sigma = Math.sqrt(1 - RESPACED.alphaBar(step));
        double noise = epsilon.prediction(x, t);
        double x0 = (x - sigma * noise) / alpha;
        return switch (prediction) {
          case EPSILON -> noise;
          case X_0 -> x0;
          case V -> alpha * noise - sigma * x0;
          case SCORE -> -noise / sigma;
          case PREVIOUS_X ->
              RESPACED.posteriorMeanOfX0(step) * x0 + RESPACED.posteriorMeanOfX(step) * x;
        };
      }

      @Override
      double variance(double x, double t) {
        return 0;
      }
    };
  }

  @ParameterizedTest
  @EnumSource
  void ddpm(Prediction prediction) throws Exception {
    var sampler = new DdpmSampler(RESPACED, prediction, Variance.FIXED_SMALL, false);
    Toy.meets(0.515866407, sampler, toy(prediction), 1);
  }

  @ParameterizedTest
  @EnumSource
  void ddim(Prediction prediction) throws Exception {
    var sampler = new DdimSampler(RESPACED, prediction, false, 0);
    Toy.meets(0.667978755, sampler, toy(prediction), 1);
  }

  /** Away from the steps, in noise and in image form, guided and not. */
  @ParameterizedTest
  @CsvSource({"X_0", "V", "SCORE"})
  void dpmSolver(Prediction prediction) throws Exception {
    var curve = InterpolatedVp.of(LINEAR);
    var epsilon = PointwiseDenoiser.gaussian(false);
    var other =
        new PointwiseDenoiser(1, false) {
          @Override
          double prediction(double x, double t) {
            double alpha = curve.alpha((t + 1) / 1000);
            double sigma = curve.sigma((t + 1) / 1000);
            double noise = epsilon.prediction(x, t);
            double x0 = (x - sigma * noise) / alpha;
            return switch (prediction) {
              case X_0 -> x0;
              case V -> alpha * noise - sigma * x0;
              default -> -noise / sigma;
            };
          }

          @Override
          double variance(double x, double t) {
            return 0;
          }
        };
    var noise = DpmSolver.noise(curve, prediction).multistep(10, 2, Spacing.TIME);
    Toy.meets(0.926177692, noise, other, 1);
    var image = DpmSolver.image(curve, prediction).multistep(10, 2, Spacing.TIME);
    Toy.meets(1.008621111, image, other, 1);
    // guidance is the same in every form
    double guided =
        Toy.sample(
            DpmSolver.image(curve, Prediction.EPSILON).multistep(10, 1, Spacing.TIME),
            epsilon.guidedBy(Toy.COSINE),
            1);
    for (var solver :
        new DpmSolver[] {DpmSolver.noise(curve, prediction), DpmSolver.image(curve, prediction)}) {
      Toy.meets(guided, solver.multistep(10, 1, Spacing.TIME), other.guidedBy(Toy.COSINE), 1);
    }
  }

  @Test
  void theMeanOfAStepHasNoMeaningOnACurve() {
    assertThrows(
        IllegalArgumentException.class,
        () -> DpmSolver.noise(LinearVp.uvit(), Prediction.PREVIOUS_X));
    assertThrows(
        IllegalArgumentException.class,
        () -> new EulerMaruyama(LinearVp.uvit(), Prediction.PREVIOUS_X, 5, true));
  }

  /** A learned variance that is learned to be the fixed one. */
  @Test
  void learnedVariance() throws Exception {
    var epsilon = PointwiseDenoiser.gaussian(false);
    var network =
        new PointwiseDenoiser(1, true) {
          @Override
          double prediction(double x, double t) {
            return epsilon.prediction(x, t);
          }

          @Override
          double variance(double x, double t) {
            return RESPACED.posteriorLogVariance((int) Math.rint(t / 111));
          }
        };
    var learned = new DdpmSampler(RESPACED, Prediction.EPSILON, Variance.LEARNED, false);
    Toy.meets(0.515866407, learned, network, 1);
    // guided too, but for the last step, where the fixed variance is 0 and the learned one is not
    var guided = network.guidedBy((x, t, out) -> out.setFloat(0, t == 0 ? 0 : 0.3f));
    var fixed = new DdpmSampler(RESPACED, Prediction.EPSILON, Variance.FIXED_SMALL, false);
    assertEquals(Toy.sample(fixed, guided, 1), Toy.sample(learned, guided, 1), 1e-5);
    assertThrows(IllegalArgumentException.class, () -> Toy.sample(learned, epsilon, 1));
  }
}
