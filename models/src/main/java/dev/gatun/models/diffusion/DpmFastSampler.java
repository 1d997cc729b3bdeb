package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * DPM-Solver-fast in σ-space, of k-diffusion: steps of order 3, and at the end one or two of order
 * 2 or 1, evenly in log σ. It ends at {@code sigmaMin}, not at 0.
 *
 * @param sigmaMin the last noise level
 * @param sigmaMax the first one
 * @param evaluations how many evaluations to spend, at least 1
 * @param ancestral how steps are split; {@link Ancestral#NONE} by default
 */
public record DpmFastSampler(double sigmaMin, double sigmaMax, int evaluations, Ancestral ancestral)
    implements Sampler {
  public DpmFastSampler {
    Objects.requireNonNull(ancestral, "ancestral");
    if (!(sigmaMin > 0 && sigmaMax > sigmaMin && sigmaMax < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "dpm-fast from noise level "
              + sigmaMax
              + " to "
              + sigmaMin
              + ": give the most, then a smaller one above 0");
    }
    if (evaluations < 1) {
      throw new IllegalArgumentException(
          "dpm-fast with " + evaluations + " evaluations: give at least 1");
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
    int steps = evaluations / 3 + 1;
    try (var run =
        Run.inSigmaSpace("dpm-fast", sigmaMax, denoiser, x, noise, backend, workspace, listener)) {
      var ve = new VeSteps(run);
      var x0 = run.take();
      var n = run.take();
      var epsilon = run.take();
      var out = run.take();
      double end = -Math.log(sigmaMin);
      double start = -Math.log(sigmaMax);
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double s = start + i * (end - start) / steps;
        double t = i + 1 == steps ? end : start + (i + 1) * (end - start) / steps;
        double down = ve.down(s, t, end, ancestral);
        double up = Math.sqrt(Math.max(0, Math.exp(-2 * t) - Math.exp(-2 * down)));
        ve.epsilon(x, s, x0, epsilon);
        switch (order(i)) {
          case 1 -> ve.first(x, s, down, epsilon, out);
          case 2 -> ve.second(x, s, down, 0.5, epsilon, out);
          default -> ve.third(x, s, down, 1.0 / 3, 2.0 / 3, epsilon, true, out);
        }
        backend.copy(out, x);
        if (ancestral.eta() > 0) {
          run.addNoise(up * ancestral.noise(), n);
        }
        run.endStep(steps, x0);
      }
    }
  }

  /** The order of step i of {@code evaluations/3 + 1}. */
  private int order(int i) {
    int threes = evaluations % 3 == 0 ? evaluations / 3 - 1 : evaluations / 3;
    if (i < threes) {
      return 3;
    }
    return evaluations % 3 == 0 ? 2 - (i - threes) : evaluations % 3;
  }
}
