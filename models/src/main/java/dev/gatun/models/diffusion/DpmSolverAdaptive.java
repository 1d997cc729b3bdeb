package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * {@link DpmSolver} with steps as long as their error allows: "DPM-Solver-12" and "-23" (C. Lu and
 * others, 2022, appendix C). A step is taken with two orders, and their difference is its error; it
 * is kept if that is within the tolerance for every image of the batch.
 *
 * <p>How many steps there will be is not known: a listener is told how many there would be if the
 * step length stayed. An image depends on what else is in its batch.
 *
 * @param solver what is solved
 * @param order the higher of the two, 2 or 3
 */
public record DpmSolverAdaptive(DpmSolver solver, int order, Tolerance tolerance)
    implements Sampler {
  /** How near to the end is there. */
  private static final double ARRIVED = 1e-5;

  /**
   * What error a step may have.
   *
   * @param absolute of an element, in its own units
   * @param relative to the element
   * @param firstStep the first step length in λ
   * @param safety by how much a step is shorter than its error would allow, in 0 … 1
   */
  public record Tolerance(double absolute, double relative, double firstStep, double safety) {
    /** What the authors use. */
    public static final Tolerance DEFAULT = new Tolerance(0.0078, 0.05, 0.05, 0.9);

    public Tolerance {
      if (!(absolute > 0 && relative >= 0 && firstStep > 0 && safety > 0 && safety < 1)) {
        throw new IllegalArgumentException(
            "a tolerance of "
                + absolute
                + " and "
                + relative
                + " with steps from "
                + firstStep
                + " and safety "
                + safety
                + ": give numbers above 0, and a safety below 1");
      }
    }
  }

  public DpmSolverAdaptive {
    Objects.requireNonNull(solver, "solver");
    Objects.requireNonNull(tolerance, "tolerance");
    if (order != 2 && order != 3) {
      throw new IllegalArgumentException("adaptive dpm-solver of order " + order + ": give 2 or 3");
    }
    if (solver.start() < solver.end()) {
      throw new IllegalArgumentException(
          "adaptive dpm-solver cannot encode images: choose a fixed number of steps");
    }
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
    var curve = solver.curve();
    double end = solver.end();
    double lambdaEnd = curve.lambda(end);
    double s = solver.start();
    double lambda = curve.lambda(s);
    double h = tolerance.firstStep();
    int last = solver.denoiseToZero() ? 1 : 0;
    try (var run = new Run("dpm-solver", denoiser, x, noise, backend, workspace, listener)) {
      var dpm = new DpmSteps(run, solver);
      var error = new StepError(x, backend, tolerance.absolute(), tolerance.relative());
      var previous = run.take();
      var x0 = run.take();
      var m = run.take();
      var m1 = run.take();
      var m2 = run.take();
      var lower = run.take();
      var higher = run.take();
      backend.copy(x, previous);
      while (Math.abs(s - end) > ARRIVED) {
        run.beginStep(run.stepsAt(lambdaEnd - lambda, h) + last);
        double t = curve.inverseLambda(lambda + h);
        dpm.predict(x, s, m);
        dpm.image(x, s, m, x0);
        if (order == 2) {
          dpm.first(x, s, t, m, lower);
          dpm.second(x, s, t, 0.5, m, true, m1, higher);
        } else {
          dpm.second(x, s, t, 1.0 / 3, m, true, m1, lower);
          dpm.third(x, s, t, 1.0 / 3, 2.0 / 3, m, false, m1, m2, higher);
        }
        double e = error.largest(lower, higher, previous);
        if (e <= 1) {
          backend.copy(higher, x);
          backend.copy(lower, previous);
          s = t;
          lambda = curve.lambda(s);
          dpm.correct(x, s, run.done() + 1);
        }
        h = Math.min(tolerance.safety() * h * Math.pow(e, -1.0 / order), lambdaEnd - lambda);
        if (e <= 1) {
          boolean arrived = Math.abs(s - end) <= ARRIVED;
          run.endStep(1 + run.stepsAt(arrived ? 0 : lambdaEnd - lambda, h) + last, x0);
        }
      }
      if (solver.denoiseToZero()) {
        run.beginStep(run.done() + 1);
        dpm.denoise(x, end, x0);
        run.endStep(run.done() + 1, x0);
      }
    }
  }
}
