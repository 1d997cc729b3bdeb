package dev.gatun.models.diffusion;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The DPM-Solver family against traces of the authors' code. */
class DpmSolverTest {
  private static final NoiseCurve LINEAR = InterpolatedVp.clipped(NoiseSchedule.linear(1000));
  private static final NoiseCurve COSINE = InterpolatedVp.clipped(NoiseSchedule.cosine(1000));
  private static final NoiseCurve SD = InterpolatedVp.clipped(NoiseSchedule.scaledLinear(1000));
  private static final NoiseCurve UVIT_DISCRETE =
      InterpolatedVp.of(NoiseSchedule.scaledLinear(1000).toldAs(i -> i + 1));

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "linear | ++ | 10 | 1 | TIME | multistep | 0.680982067",
        "linear | ++ | 10 | 2 | TIME | multistep | 1.008621111",
        "linear | ++ | 10 | 3 | TIME | multistep | 1.211248458",
        "linear | ++ | 8 | 2 | TIME | multistep | 0.677753813",
        "linear | ++ | 8 | 3 | TIME | multistep | 0.681060159",
        "linear | ++ | 10 | 2 | LAMBDA | multistep | 0.826657522",
        "linear | ++ | 10 | 2 | SQUARE_ROOT | multistep | 0.863061952",
        "linear | ++taylor | 10 | 2 | TIME | multistep | 1.168899424",
        "linear | ++ | 10 | 2 | TIME | singlestep | 0.880122882",
        "linear | ++ | 11 | 2 | TIME | singlestep | 0.719009664",
        "linear | ++ | 10 | 3 | TIME | singlestep | 0.721855137",
        "linear | ++ | 11 | 3 | TIME | singlestep | 0.882338104",
        "linear | ++ | 12 | 3 | TIME | singlestep | 0.732447338",
        "linear | ++ | 12 | 3 | LAMBDA | singlestep | 0.763670337",
        "linear | ++ | 12 | 3 | LAMBDA | fixed | 0.816645940",
        "linear | ++taylor | 12 | 3 | TIME | singlestep | 0.744863887",
        "linear | ++denoise | 10 | 2 | TIME | multistep | 1.008671546",
        "linear | ++ | 0 | 2 | TIME | adaptive | 0.759531936",
        "linear | ++ | 0 | 3 | TIME | adaptive | 0.793630574",
        "linear | noise | 10 | 1 | TIME | multistep | 0.680982067",
        "linear | noise | 10 | 2 | TIME | multistep | 0.926177692",
        "linear | noise | 10 | 3 | TIME | multistep | 0.880041773",
        "linear | noise | 8 | 2 | TIME | multistep | 0.674584211",
        "linear | noise | 8 | 3 | TIME | multistep | 0.675574790",
        "linear | noise | 10 | 2 | LAMBDA | multistep | 0.784563196",
        "linear | noise | 10 | 2 | SQUARE_ROOT | multistep | 0.813483476",
        "linear | noisetaylor | 10 | 2 | TIME | multistep | 0.817893649",
        "linear | noise | 10 | 2 | TIME | singlestep | 1.240307380",
        "linear | noise | 11 | 2 | TIME | singlestep | 0.765299656",
        "linear | noise | 10 | 3 | TIME | singlestep | 0.726518356",
        "linear | noise | 11 | 3 | TIME | singlestep | 1.178319367",
        "linear | noise | 12 | 3 | TIME | singlestep | 0.771643405",
        "linear | noise | 12 | 3 | LAMBDA | singlestep | 0.882194387",
        "linear | noise | 12 | 3 | LAMBDA | fixed | 0.841360078",
        "linear | noisetaylor | 12 | 3 | TIME | singlestep | 0.750947017",
        "linear | noisedenoise | 10 | 2 | TIME | multistep | 0.926224004",
        "linear | noise | 0 | 2 | TIME | adaptive | 0.829175400",
        "linear | noise | 0 | 3 | TIME | adaptive | 0.830596419",
        "cosine | ++ | 10 | 2 | TIME | multistep | 0.767647176",
        "sd | ++ | 20 | 2 | TIME | multistep | 0.861611257",
        "linear | ++threshold | 10 | 2 | TIME | multistep | 1.008621111",
        "vp | ++ | 10 | 2 | TIME | multistep | 1.002607776",
        "vp | fast | 10 | 3 | LAMBDA | singlestep | 0.819353912",
        "vp | fast | 11 | 3 | LAMBDA | singlestep | 0.822052632",
        "vp | fast | 12 | 3 | LAMBDA | singlestep | 0.863532005",
        "vp | fast | 50 | 3 | LAMBDA | singlestep | 0.809905092",
        "uvit | ++ | 10 | 3 | TIME | singlestep | 0.681412546",
        "uvit | ++ | 11 | 3 | TIME | singlestep | 0.816945168",
        "uvit | ++ | 12 | 3 | TIME | singlestep | 0.692959504",
        "uvit | ++ | 50 | 3 | TIME | singlestep | 0.778265502",
      })
  void scalars(
      String curve,
      String algorithm,
      int steps,
      int order,
      Spacing spacing,
      String method,
      double expected)
      throws Exception {
    var solver = solver(curve(curve), algorithm);
    Toy.meets(
        expected,
        sampler(solver, method, steps, order, spacing),
        PointwiseDenoiser.gaussian(false),
        1);
  }

  @Test
  void encodes() throws Exception {
    var solver = DpmSolver.image(LINEAR, Prediction.EPSILON).inverse();
    Toy.meets(
        0.313514864, solver.multistep(10, 2, Spacing.TIME), PointwiseDenoiser.gaussian(false), 0.5);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "dpm-fast3-20 | fast | 20 | 3 | LAMBDA | singlestep",
        "dpm-fast3-50 | fast | 50 | 3 | LAMBDA | singlestep",
        "dpmpp-2m-20 | ++ | 20 | 2 | TIME | multistep",
        "dpmpp-3m-15 | ++ | 15 | 3 | LAMBDA | multistep",
        "dpmpp-2s-16 | ++ | 16 | 2 | TIME | singlestep",
        "dpm-1-10 | noise | 10 | 1 | TIME | singlestep",
        "dpmpp-2m-9-denoise | ++denoise | 9 | 2 | TIME | multistep",
        "dpmpp-2m-12-threshold | ++threshold | 12 | 2 | TIME | multistep",
      })
  void tensors(String trace, String algorithm, int steps, int order, Spacing spacing, String method)
      throws Exception {
    var curve = new LinearVp(0.1, 20, 1000); // the network of the traces divides by 1000
    var solver = solver(curve, algorithm);
    if (trace.endsWith("threshold")) {
      solver = solver.with(new X0Correction.DynamicThresholding(0.9, 0.6));
    }
    var sampler = sampler(solver, method, steps, order, spacing);
    var golden = new Golden("sampler-dpm.io.safetensors");
    Toy.meetsGolden(golden, "x_T", trace, sampler, PointwiseDenoiser.golden(3), out -> {});
  }

  private static NoiseCurve curve(String name) {
    return switch (name) {
      case "linear" -> LINEAR;
      case "cosine" -> COSINE;
      case "sd" -> SD;
      case "vp" -> LinearVp.uvit();
      default -> UVIT_DISCRETE;
    };
  }

  private static DpmSolver solver(NoiseCurve curve, String algorithm) {
    var solver =
        algorithm.startsWith("++")
            ? DpmSolver.image(curve, Prediction.EPSILON)
            : DpmSolver.noise(curve, Prediction.EPSILON);
    if (algorithm.endsWith("taylor")) {
      solver = solver.withTaylor();
    }
    if (algorithm.endsWith("denoise")) {
      solver = solver.withDenoiseToZero();
    }
    if (algorithm.endsWith("threshold")) {
      solver = solver.with(new X0Correction.DynamicThresholding(0.995, 1));
    }
    return algorithm.equals("fast") ? solver.between(1, 1e-4) : solver;
  }

  private static Sampler sampler(
      DpmSolver solver, String method, int steps, int order, Spacing spacing) {
    return switch (method) {
      case "multistep" -> solver.multistep(steps, order, spacing);
      case "singlestep" -> solver.singlestep(steps, order, spacing);
      case "fixed" -> new DpmSolverSinglestep(solver, steps, order, spacing, true);
      default -> solver.adaptive(order);
    };
  }
}
