package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * {@link DpmSolver} with the predictions of the steps before: "DPM-Solver++(2M)" for order 2. One
 * evaluation a step; the first steps have the orders that the predictions so far allow.
 *
 * @param solver what is solved
 * @param steps how many steps to take, at least the order
 * @param order 1 to 3; 1 is DDIM
 * @param spacing of the times
 * @param lowerOrderFinal whether the last steps have orders falling to 1, as the authors have it
 *     where there are fewer than 10 steps: steadier then
 */
public record DpmSolverMultistep(
    DpmSolver solver, int steps, int order, Spacing spacing, boolean lowerOrderFinal)
    implements Sampler {
  private static final int FEW_STEPS = 10;

  public DpmSolverMultistep {
    Objects.requireNonNull(solver, "solver");
    Objects.requireNonNull(spacing, "spacing");
    if (order < 1 || order > 3 || steps < order) {
      throw new IllegalArgumentException(
          "dpm-solver of order "
              + order
              + " in "
              + steps
              + " steps: give an order from 1 to 3, and at least as many steps");
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
    double[] times = spacing.times(solver.curve(), solver.start(), solver.end(), steps);
    int told = steps + (solver.denoiseToZero() ? 1 : 0);
    try (var run = new Run("dpm-solver", denoiser, x, noise, backend, workspace, listener)) {
      var dpm = new DpmSteps(run, solver);
      var x0 = run.take();
      var m0 = run.take(); // the newest prediction, then the older ones
      var m1 = run.take();
      var m2 = run.take();
      for (int step = 1; step <= steps; step++) {
        run.beginStep(told);
        double s = times[step - 1];
        double t = times[step];
        var oldest = m2;
        m2 = m1;
        m1 = m0;
        m0 = oldest;
        dpm.predict(x, s, m0);
        dpm.image(x, s, m0, x0);
        switch (order(step)) {
          case 1 -> dpm.first(x, s, t, m0, x);
          case 2 -> dpm.secondAfter(x, times[step - 2], s, t, m0, m1, x);
          default -> dpm.thirdAfter(x, times[step - 3], times[step - 2], s, t, m0, m1, m2, x);
        }
        dpm.correct(x, t, step);
        run.endStep(told, x0);
      }
      if (solver.denoiseToZero()) {
        run.beginStep(told);
        dpm.denoise(x, solver.end(), x0);
        dpm.correct(x, solver.end(), told);
        run.endStep(told, x0);
      }
    }
  }

  /** The order of a step, counted from 1. */
  private int order(int step) {
    int possible = Math.min(step, order);
    return lowerOrderFinal && steps < FEW_STEPS ? Math.min(possible, steps + 1 - step) : possible;
  }
}
