package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * DPM-Solver-12 or -23 in σ-space with steps as long as their error allows, of k-diffusion ({@code
 * sample_dpm_adaptive}): with e the error of a step, its length changes by {@code 1 + atan(e^{-1/k}
 * - 1)}, k being the order, or 1.5 with noise; it is kept if that is at least the safety. It ends
 * at {@code sigmaMin}, not at 0.
 *
 * <p>How many steps there will be is not known: a listener is told how many there would be if the
 * step length stayed. An image depends on what else is in its batch.
 *
 * @param sigmaMin the last noise level
 * @param sigmaMax the first one
 * @param order the higher of the two, 2 or 3
 * @param tolerance of the error
 * @param ancestral how steps are split; {@link Ancestral#NONE} by default
 */
public record DpmAdaptiveSampler(
    double sigmaMin,
    double sigmaMax,
    int order,
    DpmSolverAdaptive.Tolerance tolerance,
    Ancestral ancestral)
    implements Sampler {
  /** What the author of k-diffusion uses. */
  public static final DpmSolverAdaptive.Tolerance DEFAULT_TOLERANCE =
      new DpmSolverAdaptive.Tolerance(0.0078, 0.05, 0.05, 0.81);

  /** How near to the end is there, in log σ. */
  private static final double ARRIVED = 1e-5;

  public DpmAdaptiveSampler {
    Objects.requireNonNull(tolerance, "tolerance");
    Objects.requireNonNull(ancestral, "ancestral");
    if (order != 2 && order != 3) {
      throw new IllegalArgumentException("dpm-adaptive of order " + order + ": give 2 or 3");
    }
    if (!(sigmaMin > 0 && sigmaMax > sigmaMin && sigmaMax < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "dpm-adaptive from noise level "
              + sigmaMax
              + " to "
              + sigmaMin
              + ": give the most, then a smaller one above 0");
    }
  }

  /** Of order 3 with the default tolerance, without noise. */
  public DpmAdaptiveSampler(double sigmaMin, double sigmaMax) {
    this(sigmaMin, sigmaMax, 3, DEFAULT_TOLERANCE, Ancestral.NONE);
  }

  @Override
  public void sample(
      Denoiser denoiser,
      Tensor x,
      Noise noise,
      Backend backend,
      Workspace workspace,
      StepListener listener)
      throws InterruptedException {
    double s = -Math.log(sigmaMax);
    double end = -Math.log(sigmaMin);
    double h = tolerance.firstStep();
    double exponent = 1 / (ancestral.eta() > 0 ? 1.5 : order);
    try (var run =
        Run.inSigmaSpace(
            "dpm-adaptive", sigmaMax, denoiser, x, noise, backend, workspace, listener)) {
      var error = new StepError(x, backend, tolerance.absolute(), tolerance.relative());
      var ve = new VeSteps(run);
      var x0 = run.take();
      var n = run.take();
      var epsilon = run.take();
      var previous = run.take();
      var lower = run.take();
      var higher = run.take();
      backend.copy(x, previous);
      while (s < end - ARRIVED) {
        run.beginStep(run.stepsAt(end - s, h));
        double t = Math.min(end, s + h);
        double down = ve.down(s, t, end, ancestral);
        ve.epsilon(x, s, x0, epsilon);
        if (order == 2) {
          ve.first(x, s, down, epsilon, lower);
          ve.second(x, s, down, 0.5, epsilon, higher);
        } else {
          ve.second(x, s, down, 1.0 / 3, epsilon, lower);
          ve.third(x, s, down, 1.0 / 3, 2.0 / 3, epsilon, false, higher);
        }
        double e = error.whole(lower, higher, previous);
        double factor = 1 + Math.atan(Math.pow(1 / (e + 1e-8), exponent) - 1);
        h *= factor;
        if (factor >= tolerance.safety()) {
          backend.copy(lower, previous);
          backend.copy(higher, x);
          if (ancestral.eta() > 0) {
            double up = Math.sqrt(Math.max(0, Math.exp(-2 * t) - Math.exp(-2 * down)));
            run.addNoise(up * ancestral.noise(), n);
          }
          s = t;
          run.endStep(1 + run.stepsAt(s < end - ARRIVED ? end - s : 0, h), x0);
        }
      }
    }
  }
}
