package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The samplers of EDM and k-diffusion against traces of the authors' code. */
class SigmaSamplerTest {
  /** {@code D(x; σ) = x/(1+σ²) + 0.1·sin(ln σ)}. */
  private static final Denoiser TOY =
      new PointwiseDenoiser(1, false) {
        @Override
        double prediction(double x, double sigma) {
          return x / (1 + sigma * sigma) + 0.1 * Math.sin(Math.log(sigma));
        }

        @Override
        double variance(double x, double t) {
          return 0;
        }
      };

  /** The network of the golden files. */
  private static final Denoiser TANH =
      new PointwiseDenoiser(3, false) {
        @Override
        double prediction(double x, double sigma) {
          return 0.8 * Math.tanh(x / (1 + sigma));
        }

        @Override
        double variance(double x, double t) {
          return 0;
        }
      };

  private static final SigmaSchedule KARRAS = SigmaSchedule.karras(10, 0.01, 50, 7);

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "euler | 0.821589155",
        "euler-churn | 0.156071081",
        "euler-a | -0.396973898",
        "heun | 1.255599051",
        "dpm2 | 1.107729252",
        "dpm2-a | -0.749440503",
        "lms | 0.917874735",
        "dpmpp-2s-a | -0.582423016",
        "dpmpp-sde | -0.245872640",
        "dpmpp-2m | 1.052189911",
        "dpmpp-2m-sde | -0.849385739",
        "dpmpp-2m-sde-heun | -1.202739908",
        "dpmpp-2m-sde-eta0 | 1.052189911",
        "dpmpp-3m-sde | -0.932181596",
        "dpm-fast-9 | 0.855477590",
        "dpm-fast-10 | 0.814253347",
        "dpm-fast-11 | 0.971540753",
      })
  void kDiffusion(String name, double expected) throws Exception {
    Toy.meets(expected, kDiffusion(name), TOY, 1);
  }

  /**
   * Its first steps have errors below the resolution of f32, on which the length of the next steps
   * depends: in f64, with such errors counted as none, the same steps lead to 0.95847.
   */
  @Test
  void adaptive() throws Exception {
    float found = Toy.sample(kDiffusion("dpm-adaptive"), TOY, 1);
    assertEquals(0.958626073, found, 2e-4);
    assertEquals(0.95847, found, 2e-5);
  }

  private static Sampler kDiffusion(String name) {
    return switch (name) {
      case "euler" -> new EulerSampler(KARRAS);
      case "euler-churn" -> new EulerSampler(KARRAS, Churn.of(5));
      case "euler-a" -> new EulerAncestralSampler(KARRAS);
      case "heun" -> new HeunSampler(KARRAS);
      case "dpm2" -> new Dpm2Sampler(KARRAS);
      case "dpm2-a" -> new Dpm2AncestralSampler(KARRAS);
      case "lms" -> new LmsSampler(KARRAS);
      case "dpmpp-2s-a" -> new Dpmpp2sAncestralSampler(KARRAS);
      case "dpmpp-sde" -> new DpmppSdeSampler(KARRAS, Ancestral.DEFAULT, false);
      case "dpmpp-2m" -> new Dpmpp2mSampler(KARRAS);
      case "dpmpp-2m-sde" -> new Dpmpp2mSdeSampler(KARRAS);
      case "dpmpp-2m-sde-heun" -> new Dpmpp2mSdeSampler(KARRAS, Ancestral.DEFAULT, true);
      case "dpmpp-2m-sde-eta0" -> new Dpmpp2mSdeSampler(KARRAS, Ancestral.NONE, false);
      case "dpmpp-3m-sde" -> new Dpmpp3mSdeSampler(KARRAS);
      case "dpm-adaptive" -> new DpmAdaptiveSampler(0.01, 50);
      default -> {
        int evaluations = Integer.parseInt(name.substring("dpm-fast-".length()));
        yield new DpmFastSampler(0.01, 50, evaluations, Ancestral.NONE);
      }
    };
  }

  @ParameterizedTest
  @CsvSource({"5, 1.628162733", "18, 1.103667936", "40, 1.069700693"})
  void edm(int steps, double expected) throws Exception {
    Toy.meets(expected, new HeunSampler(SigmaSchedule.edm(steps)), TOY, 1);
  }

  @Test
  void edmWithChurn() throws Exception {
    var churn = new Churn(10, 0.05, 50, 1.003);
    Toy.meets(-0.321679136, new HeunSampler(SigmaSchedule.edm(18), churn), TOY, 1);
  }

  /** The same samplers as instances of the general one. */
  @Test
  void edmIsAChoiceOfTheGeneralSampler() throws Exception {
    var linear = new AblationSampler.SigmaOfTime.Linear();
    var sigmas = SigmaSchedule.edm(18);
    Toy.meets(1.103667936, new AblationSampler(sigmas, linear, false, true, 1, Churn.NONE), TOY, 1);
    var churn = new Churn(10, 0.05, 50, 1.003);
    Toy.meets(-0.321679136, new AblationSampler(sigmas, linear, false, true, 1, churn), TOY, 1);
  }

  @Test
  void ablation() throws Exception {
    var trained = new AblationSampler.SigmaOfTime.Vp(19.9, 0.1);
    double low = trained.sigma(1e-3);
    double high = trained.sigma(1);
    var vp = AblationSampler.SigmaOfTime.Vp.between(low, high, 1e-3);
    var sigmas = SigmaSchedule.vp(18, vp.betaD(), vp.betaMin(), 1e-3);
    Toy.meets(0.954045503, new AblationSampler(sigmas, vp, true, false, 1, Churn.NONE), TOY, 1);

    var ve = new AblationSampler.SigmaOfTime.Ve();
    sigmas = SigmaSchedule.ve(18, 0.02, 100);
    Toy.meets(0.364887138, new AblationSampler(sigmas, ve, false, true, 1, Churn.NONE), TOY, 1);

    var linear = new AblationSampler.SigmaOfTime.Linear();
    sigmas = SigmaSchedule.iddpm(new NetworkTime.OfIDdpm(), 18, 0.002, 81);
    Toy.meets(1.759783118, new AblationSampler(sigmas, linear, false, true, 1, Churn.NONE), TOY, 1);
  }

  @ParameterizedTest
  @CsvSource({"heun-18, false", "heun-18-churn, true"})
  void pictures(String trace, boolean churns) throws Exception {
    var churn = churns ? new Churn(40, 0.05, 50, 1.003) : Churn.NONE;
    var sampler = new HeunSampler(SigmaSchedule.edm(18), churn);
    var golden = new Golden("sampler-edm.io.safetensors");
    try (var backend = TestBackend.open()) {
      var noise = Noise.torchDouble(1011, backend);
      Toy.meetsGolden(golden, "latents", trace, sampler, TANH, noise);
    }
  }

  /** A Brownian path: the noise of the whole way is made of that of its halves. */
  @Test
  void noiseOfOverlappingStagesBelongsTogether() throws Exception {
    var sigmas = SigmaSchedule.of(4, 1);
    var blind =
        new PointwiseDenoiser(1, false) {
          @Override
          double prediction(double x, double sigma) {
            return sigma == 1 ? x : 0;
          }

          @Override
          double variance(double x, double t) {
            return 0;
          }
        };
    // from 4 by 2 to 1, the second draw being for 2 … 1; the denoiser shows x at 1
    var ancestral = Ancestral.DEFAULT;
    double up = ancestral.up(4, 1);
    double down = ancestral.down(1, up);
    double n = (Math.sqrt(2) * Math.sin(1) + Math.sin(2)) / Math.sqrt(3);
    double expected = 4 * down / 4 + up * n;
    Toy.meets(expected, new DpmppSdeSampler(sigmas, ancestral, true), blind, 1);
    Toy.meets(down + up * Math.sin(2), new DpmppSdeSampler(sigmas, ancestral, false), blind, 1);
  }

  @Test
  void schedules() {
    levels(KARRAS, 0, 50, 28.27643124, 15.20270612, 7.69450658);
    levels(KARRAS, 8, 0.05155549, 0.01, 0);
    levels(SigmaSchedule.exponential(10, 0.01, 50), 0, 50, 19.40766724, 7.53315095);
    levels(
        SigmaSchedule.polyexponential(10, 0.01, 50, 2), 0, 50, 8.36841032, 1.72841697, 0.44054134);
    var vp = SigmaSchedule.vp(10, 19.9, 0.1, 1e-3);
    levels(vp, 0, 152.16697028, 53.30984748, 21.09562407);
    levels(vp, 9, 0.01048599, 0);
    var edm = SigmaSchedule.edm(18);
    levels(edm, 0, 80, 57.585984721, 40.785573797);
    levels(edm, 9, 1.923339837);
    levels(edm, 16, .0075280200, .002, 0);
    edm = SigmaSchedule.edm(40);
    levels(edm, 0, 80, 69.450946037, 60.117394763);
    levels(edm, 20, 2.240439759);
    levels(edm, 38, .0036765892, .002, 0);
    var linear = NoiseSchedule.linear(1000);
    var all = SigmaSchedule.of(linear, 1000);
    for (int i = 0; i < 1000; i++) {
      assertEquals(linear.sigma(999 - i), all.at(i), 1e-10 * all.at(i), "level " + i);
    }
  }

  private static void levels(SigmaSchedule sigmas, int from, double... expected) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(
          expected[i], sigmas.at(from + i), 6e-9 * Math.max(1, expected[i]), "from " + from);
    }
  }
}
