package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Arrays;
import java.util.Objects;

/**
 * {@link DpmSolver} with predictions of its own in each step: algorithms 1 and 2 of the paper, and
 * "DPM-Solver-fast" for order 3. A step of order k takes k evaluations, and as many as asked for
 * are spent: with order 3, steps of order 3 and at the end one or two of order 2 or 1.
 *
 * <p>U-ViT's continuous models are sampled with order 3 of {@link DpmSolver#noise}, {@link
 * Spacing#LAMBDA}, to time 10⁻⁴; its discrete ones with order 3 of {@link DpmSolver#image}, {@link
 * Spacing#TIME}.
 *
 * @param solver what is solved
 * @param evaluations how many evaluations to spend, at least the order
 * @param order 1 to 3
 * @param spacing of the times, also inside a step
 * @param fixed whether all steps have this order, {@code evaluations/order} of them, rounded down
 */
public record DpmSolverSinglestep(
    DpmSolver solver, int evaluations, int order, Spacing spacing, boolean fixed)
    implements Sampler {
  public DpmSolverSinglestep {
    Objects.requireNonNull(solver, "solver");
    Objects.requireNonNull(spacing, "spacing");
    if (order < 1 || order > 3 || evaluations < order) {
      throw new IllegalArgumentException(
          "dpm-solver of order "
              + order
              + " in "
              + evaluations
              + " evaluations: give an order from 1 to 3, and at least as many evaluations");
    }
  }

  /** The order of each step. */
  int[] orders() {
    if (fixed || order == 1) {
      return filled(evaluations / order);
    }
    int rest = evaluations % order;
    if (order == 2) {
      return rest == 0 ? filled(evaluations / 2) : filled(evaluations / 2, 1);
    }
    return switch (rest) {
      case 0 -> filled(evaluations / 3 - 1, 2, 1);
      default -> filled(evaluations / 3, rest);
    };
  }

  private int[] filled(int count, int... last) {
    var orders = new int[count + last.length];
    Arrays.fill(orders, 0, count, order);
    System.arraycopy(last, 0, orders, count, last.length);
    return orders;
  }

  /** The times between which the steps lie. */
  private double[] times(int[] orders) {
    var curve = solver.curve();
    if (fixed || spacing == Spacing.LAMBDA) {
      return spacing.times(curve, solver.start(), solver.end(), orders.length);
    }
    var fine = spacing.times(curve, solver.start(), solver.end(), evaluations);
    var times = new double[orders.length + 1];
    times[0] = fine[0];
    int at = 0;
    for (int i = 0; i < orders.length; i++) {
      at += orders[i];
      times[i + 1] = fine[at];
    }
    return times;
  }

  /** For each step, the parts of it in λ where it predicts. */
  private double[][] parts(int[] orders, double[] times) {
    var curve = solver.curve();
    var parts = new double[orders.length][];
    for (int i = 0; i < orders.length; i++) {
      var inner = spacing.times(curve, times[i], times[i + 1], orders[i]);
      double from = curve.lambda(times[i]);
      double h = curve.lambda(times[i + 1]) - from;
      parts[i] = new double[orders[i]];
      for (int j = 1; j < orders[i]; j++) {
        parts[i][j] = (curve.lambda(inner[j]) - from) / h;
      }
    }
    return parts;
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
    int[] orders = orders();
    double[] times = times(orders);
    double[][] parts = parts(orders, times);
    int steps = orders.length + (solver.denoiseToZero() ? 1 : 0);
    try (var run = new Run("dpm-solver", denoiser, x, noise, backend, workspace, listener)) {
      var dpm = new DpmSteps(run, solver);
      var x0 = run.take();
      var m = run.take();
      var m1 = run.take();
      var m2 = run.take();
      var out = run.take();
      for (int i = 0; i < orders.length; i++) {
        run.beginStep(steps);
        double s = times[i];
        double t = times[i + 1];
        double[] r = parts[i];
        dpm.predict(x, s, m);
        dpm.image(x, s, m, x0);
        switch (orders[i]) {
          case 1 -> dpm.first(x, s, t, m, out);
          case 2 -> dpm.second(x, s, t, r[1], m, true, m1, out);
          default -> dpm.third(x, s, t, r[1], r[2], m, true, m1, m2, out);
        }
        backend.copy(out, x);
        dpm.correct(x, t, i + 1);
        run.endStep(steps, x0);
      }
      if (solver.denoiseToZero()) {
        run.beginStep(steps);
        dpm.denoise(x, solver.end(), x0);
        dpm.correct(x, solver.end(), steps);
        run.endStep(steps, x0);
      }
    }
  }
}
