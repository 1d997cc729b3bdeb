package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BitsPerDimensionTest {
  private static final NoiseSchedule SCHEDULE =
      NoiseSchedule.linear(1000).respace(Respacing.parse("6"));

  /** Levels of 8 bits; two images of two elements. */
  private static final float[] IMAGES = {-1, 13 / 127.5f - 1, 1, 200 / 127.5f - 1};

  /** Each term from the two Gaussians themselves. */
  @ParameterizedTest
  @EnumSource
  void termsAreDivergences(Variance variance) throws Exception {
    boolean learned = variance == Variance.LEARNED || variance == Variance.LEARNED_RANGE;
    var network =
        new PointwiseDenoiser(1, learned) {
          @Override
          double prediction(double x, double t) {
            return Math.tanh(x + t / 500);
          }

          @Override
          double variance(double x, double t) {
            return variance == Variance.LEARNED ? -3 + 0.1 * x : 0.4 * Math.sin(x);
          }
        };
    var bits =
        new BitsPerDimension(SCHEDULE, Prediction.EPSILON, variance, X0Correction.clip(true));
    var result = evaluate(bits, network);
    for (int image = 0; image < 2; image++) {
      double total = 0;
      for (int k = 0; k < SCHEDULE.steps(); k++) {
        double ab = SCHEDULE.alphaBar(k);
        double cost = 0;
        double squares = 0;
        for (int i = 2 * image; i < 2 * image + 2; i++) {
          double n = Math.sin(SCHEDULE.steps() - k + i);
          double x = (float) (Math.sqrt(ab) * IMAGES[i] + Math.sqrt(1 - ab) * n);
          double t = SCHEDULE.time(k);
          double epsilon = network.prediction(x, t);
          double x0 = (x - Math.sqrt(1 - ab) * epsilon) / Math.sqrt(ab);
          x0 = Math.clamp(x0, -1, 1);
          squares += (x0 - IMAGES[i]) * (x0 - IMAGES[i]);
          double c0 = SCHEDULE.posteriorMeanOfX0(k);
          double c1 = SCHEDULE.posteriorMeanOfX(k);
          double mean = c0 * x0 + c1 * x;
          double small = SCHEDULE.posteriorLogVariance(k);
          double large = Math.log(SCHEDULE.beta(k));
          double part = (network.variance(x, t) + 1) / 2;
          double logVariance =
              switch (variance) {
                case LEARNED -> network.variance(x, t);
                case LEARNED_RANGE -> part * large + (1 - part) * small;
                case FIXED_SMALL -> small;
                case FIXED_LARGE -> k == 0 ? small : large;
              };
          if (k == 0) {
            double s = Math.exp(-logVariance / 2);
            double up = cdf(s * (IMAGES[i] - mean + 1 / 255.0));
            double down = cdf(s * (IMAGES[i] - mean - 1 / 255.0));
            double p = IMAGES[i] == -1 ? up : IMAGES[i] == 1 ? 1 - down : up - down;
            cost -= Math.log(Math.max(1e-12, p));
          } else {
            double truth = c0 * IMAGES[i] + c1 * x;
            double ratio = Math.exp(small - logVariance);
            double d = truth - mean;
            cost += (ratio - 1 - Math.log(ratio) + d * d / Math.exp(logVariance)) / 2;
          }
        }
        double expected = cost / 2 / Math.log(2);
        String what = "image " + image + ", step " + k;
        assertEquals(expected, result.terms()[image][k], 2e-4 * Math.max(1, expected), what);
        assertEquals(squares / 2, result.squaredErrors()[image][k], 1e-5, what);
        total += result.terms()[image][k];
      }
      assertEquals(total + result.prior()[image], result.total(image), 1e-12);
    }
    double ab = SCHEDULE.alphaBar(SCHEDULE.steps() - 1);
    double prior =
        (-ab - Math.log(1 - ab) + ab * (1 + IMAGES[1] * IMAGES[1]) / 2) / 2 / Math.log(2);
    assertEquals(prior, result.prior()[0], 1e-12);
  }

  private static double cdf(double x) {
    return (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))) / 2;
  }

  /** A network that knows the image pays only for the last bits. */
  @Test
  void knowledgeIsCheap() throws Exception {
    var omniscient =
        new Denoiser() {
          @Override
          public int outChannels() {
            return 1;
          }

          @Override
          public void predict(Tensor x, double t, Tensor out) {
            out.setFloats(IMAGES);
          }
        };
    var bits =
        new BitsPerDimension(SCHEDULE, Prediction.X_0, Variance.FIXED_SMALL, X0Correction.none());
    var result = evaluate(bits, omniscient);
    for (int k = 1; k < SCHEDULE.steps(); k++) {
      assertEquals(0, result.terms()[0][k], 1e-12);
    }
    assertTrue(result.terms()[0][0] > 0);
    assertTrue(result.total(0) < 2, "bits: " + result.total(0));
  }

  /** The 256 levels share all the probability. */
  @Test
  void levelsAddUpToOne() {
    double sum = 0;
    for (int level = 0; level < 256; level++) {
      double x = level / 127.5 - 1;
      sum += Math.exp(BitsPerDimension.logProbability(x, x - 0.23, Math.log(0.04)));
    }
    assertEquals(1, sum, 1e-9);
    assertEquals(0, BitsPerDimension.divergence(0, -2, -2), 1e-15);
  }

  @Test
  void aLearnedVarianceNeedsItsChannels() {
    var bits =
        new BitsPerDimension(
            SCHEDULE, Prediction.EPSILON, Variance.LEARNED_RANGE, X0Correction.none());
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> evaluate(bits, PointwiseDenoiser.gaussian(false)));
    assertTrue(error.getMessage().contains("choose a fixed variance"), error.getMessage());
  }

  private static BitsPerDimension.Result evaluate(BitsPerDimension bits, Denoiser network)
      throws InterruptedException {
    int[] draws = {0};
    Noise noise =
        out -> {
          draws[0]++;
          for (int i = 0; i < 4; i++) {
            out.setFloat(i, (float) Math.sin(draws[0] + i));
          }
        };
    try (var backend = TestBackend.open();
        var workspace = backend.workspace();
        var images = Tensor.of(Shape.of(2, 1, 2, 1), IMAGES)) {
      var result = bits.of(network, images, noise, backend, workspace, null);
      assertEquals(0, workspace.mark());
      assertEquals(SCHEDULE.steps(), draws[0]);
      return result;
    }
  }
}
