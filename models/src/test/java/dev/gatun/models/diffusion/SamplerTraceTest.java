package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.Tensor;
import java.util.ArrayList;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Samplers against traces of the authors' code. */
class SamplerTraceTest {
  /** Whole batches with PyTorch's noise. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ddpm-250 | 250 | false | -1",
        "ddpm-20 | 20 | false | -1",
        "ddpm-20-clip | 20 | true | -1",
        "ddpm-sections | 10,8,6 | false | -1",
        "ddim-50 | ddim50 | false | 0",
        "ddim-25-eta0.5 | ddim25 | false | 0.5",
      })
  void tensors(String trace, String respacing, boolean clip, double eta) throws Exception {
    var golden = new Golden("sampler-gaussian.io.safetensors");
    var sampler = sampler(NoiseSchedule.linear(1000), respacing, "LEARNED_RANGE", clip, eta);
    var expected = golden.floats(trace + "/x_0");
    var timesteps = golden.longs(trace + "/timesteps");

    var told = new ArrayList<Long>();
    var network = PointwiseDenoiser.golden(3);
    Denoiser recording =
        new Denoiser() {
          @Override
          public int outChannels() {
            return network.outChannels();
          }

          @Override
          public void predict(Tensor x, double t, Tensor out) {
            told.addFirst((long) t);
            network.predict(x, t, out);
          }
        };
    try (var backend = TestBackend.open();
        var workspace = backend.workspace();
        var x = TestBackend.fromNchw(backend, golden.floats(trace + "/x_T"), 2, 3, 8, 8)) {
      sampler.sample(recording, x, Noise.torch(1006, backend), backend, workspace, null);
      var found = TestBackend.toNchw(backend, x);
      float max = 0;
      for (float value : expected) {
        max = Math.max(max, Math.abs(value));
      }
      assertArrayEquals(expected, found, 1e-4f * max);
    }
    assertArrayEquals(timesteps, told.stream().mapToLong(Long::longValue).toArray());
  }

  /** One number, the noise of whose k-th draw is sin(k+1). */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "linear | 10 | LEARNED_RANGE | false | -1 | 1 | 0.616146180",
        "linear | 10 | LEARNED_RANGE | true | -1 | 1 | 0.616146180",
        "linear | 50 | LEARNED_RANGE | false | -1 | 1 | 0.332791338",
        "linear | 250 | LEARNED_RANGE | false | -1 | 1 | 0.321460848",
        "linear | 250 | LEARNED_RANGE | true | -1 | 1 | 0.321460848",
        "linear | 90,60,60,20,20 | LEARNED_RANGE | true | -1 | 1 | 0.309882113",
        "linear | 10 | LEARNED_RANGE | true | -1 | 6 | 0.624085845",
        "linear | 10 | LEARNED_RANGE | false | -1 | 6 | 0.624085845",
        "cosine | 10 | LEARNED_RANGE | true | -1 | 1 | 0.342285671",
        "linear | 10 | FIXED_SMALL | false | -1 | 1 | 0.515866407",
        "linear | 10 | FIXED_LARGE | false | -1 | 1 | 0.853947628",
        "linear | 10 | LEARNED_RANGE | false | 0 | 1 | 0.667978755",
        "linear | 10 | FIXED_SMALL | false | 0 | 1 | 0.667978755",
        "linear | ddim10 | LEARNED_RANGE | true | 0 | 1 | 0.679713413",
        "linear | ddim25 | LEARNED_RANGE | true | 0 | 1 | 0.755374465",
        "linear | 10 | LEARNED_RANGE | false | 1 | 1 | 0.515866407",
        "linear | 10 | LEARNED_RANGE | false | 0.5 | 1 | 0.606003186",
        "linear | 10 | LEARNED_RANGE | true | 0 | 6 | 1.000000000",
        "linear | 10 | LEARNED_RANGE | false | 0 | 6 | 2.488011307",
      })
  void scalars(
      String betas,
      String respacing,
      String variance,
      boolean clip,
      double eta,
      float start,
      double expected)
      throws Exception {
    var schedule = betas.equals("linear") ? NoiseSchedule.linear(1000) : NoiseSchedule.cosine(1000);
    var sampler = sampler(schedule, respacing, variance, clip, eta);
    var network = PointwiseDenoiser.gaussian(variance.equals("LEARNED_RANGE"));
    assertEquals(expected, Toy.sample(sampler, network, start), 2e-5 * Math.max(1, expected));
  }

  /** A network that predicts the image gives what the same network predicting the noise gives. */
  @ParameterizedTest
  @CsvSource({"-1", "0", "0.5"})
  void imagesCanBePredicted(double eta) throws Exception {
    var schedule = NoiseSchedule.linear(1000).respace(Respacing.parse("10"));
    var epsilon = PointwiseDenoiser.gaussian(false);
    var image =
        new PointwiseDenoiser(1, false) {
          @Override
          double prediction(double x, double t) {
            double alphaBar = NoiseSchedule.linear(1000).alphaBar((int) t);
            double noise = epsilon.prediction(x, t);
            return (x - Math.sqrt(1 - alphaBar) * noise) / Math.sqrt(alphaBar);
          }

          @Override
          double variance(double x, double t) {
            return 0;
          }
        };
    Sampler ofEpsilon =
        eta < 0
            ? new DdpmSampler(schedule, Prediction.EPSILON, Variance.FIXED_SMALL, false)
            : new DdimSampler(schedule, Prediction.EPSILON, false, eta);
    Sampler ofImage =
        eta < 0
            ? new DdpmSampler(schedule, Prediction.X_0, Variance.FIXED_SMALL, false)
            : new DdimSampler(schedule, Prediction.X_0, false, eta);
    assertEquals(Toy.sample(ofEpsilon, epsilon, 1), Toy.sample(ofImage, image, 1), 1e-5);
  }

  /** A schedule may end in pure noise, ᾱ = 0, if the network predicts the image. */
  @ParameterizedTest
  @CsvSource({"0.1", "0.2", "0.3", "0.37"})
  void imagesCanStartFromNothing(double beta) throws Exception {
    var network =
        new PointwiseDenoiser(1, false) {
          @Override
          double prediction(double x, double t) {
            return 0.25;
          }

          @Override
          double variance(double x, double t) {
            return 0;
          }
        };
    var schedule = NoiseSchedule.ofBetas(beta, 0.4, 1);
    var ddpm = new DdpmSampler(schedule, Prediction.X_0, Variance.FIXED_SMALL, false);
    assertEquals(0.25, Toy.sample(ddpm, network, 2), 1e-6);
    for (double eta : new double[] {0, 1}) {
      var ddim = new DdimSampler(schedule, Prediction.X_0, false, eta);
      assertEquals(0.25, Toy.sample(ddim, network, 2), 1e-6, "eta " + eta);
    }
  }

  /** Eta below 0 stands for DDPM. */
  private static Sampler sampler(
      NoiseSchedule schedule, String respacing, String variance, boolean clip, double eta) {
    var respaced = schedule.respace(Respacing.parse(respacing));
    return eta < 0
        ? new DdpmSampler(respaced, Prediction.EPSILON, Variance.valueOf(variance), clip)
        : new DdimSampler(respaced, Prediction.EPSILON, clip, eta);
  }

  /** A classifier pulls along; the predicted image is not clamped a second time. */
  @ParameterizedTest
  @CsvSource({"LEARNED_RANGE, -1, 0.738781061", "LEARNED_RANGE, 0, 0.892320413"})
  void guided(String variance, double eta, double expected) throws Exception {
    var sampler = sampler(NoiseSchedule.linear(1000), "10", variance, true, eta);
    Toy.meets(expected, sampler, PointwiseDenoiser.gaussian(true).guidedBy(Toy.COSINE), 1);
  }

  @ParameterizedTest
  @CsvSource({"10, 0.277215231", "9, 0.279253710"})
  void encodes(int steps, double expected) throws Exception {
    var schedule = NoiseSchedule.linear(1000).respace(Respacing.parse("10"));
    var sampler = new DdimReverse(schedule, Prediction.EPSILON, X0Correction.none(), steps);
    Toy.meets(expected, sampler, PointwiseDenoiser.gaussian(false), 0.5);
  }

  @ParameterizedTest
  @CsvSource({
    "true, 10, 0.842946071",
    "false, 10, 0.801555905",
    "true, 50, 0.261056250",
    "false, 50, 0.806577882"
  })
  void eulerMaruyama(boolean stochastic, int steps, double expected) throws Exception {
    var sampler = new EulerMaruyama(LinearVp.uvit(), Prediction.EPSILON, steps, stochastic);
    Toy.meets(expected, sampler, PointwiseDenoiser.gaussian(false), 1);
  }

  @ParameterizedTest
  @CsvSource({"sde-50, true", "ode-50, false"})
  void eulerMaruyamaOfPictures(String trace, boolean stochastic) throws Exception {
    // the authors' network divides by 999 what it is told, that of the test by 1000
    var curve = new LinearVp(0.1, 20, 1000);
    var sampler = new EulerMaruyama(curve, Prediction.EPSILON, 50, stochastic);
    var golden = new Golden("sampler-sde.io.safetensors");
    try (var backend = TestBackend.open()) {
      var noise = Noise.torch(1009, backend);
      Toy.meetsGolden(golden, "x_T", trace, sampler, PointwiseDenoiser.golden(3), noise);
    }
  }
}
