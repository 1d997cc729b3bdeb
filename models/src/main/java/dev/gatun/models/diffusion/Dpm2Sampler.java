package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * k-diffusion's DPM2: the midpoint method, in log σ, for the ODE of {@link EulerSampler}, with
 * churn if asked for; after "DPM-Solver" (C. Lu and others, 2022). Two evaluations a step, but for
 * the last, which is Euler's.
 *
 * @param sigmas the noise levels
 * @param churn noise on the way
 */
public record Dpm2Sampler(SigmaSchedule sigmas, Churn churn) implements Sampler {
  public Dpm2Sampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(churn, "churn");
  }

  /** Without churn. */
  public Dpm2Sampler(SigmaSchedule sigmas) {
    this(sigmas, Churn.NONE);
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
    int steps = sigmas.steps();
    try (var run =
        Run.inSigmaSpace("dpm2", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      var x0 = run.take();
      var n = run.take();
      var d = run.take();
      var middle = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double next = sigmas.at(i + 1);
        double raised = churn.raised(sigmas.at(i), steps);
        churn.raise(run, sigmas.at(i), raised, n);
        run.denoise(x, raised, x0);
        if (next == 0) {
          backend.copy(x0, x);
        } else {
          double sigmaMiddle = Math.sqrt(raised * next);
          run.slope(x, x0, raised, d);
          run.combine(1, x, sigmaMiddle - raised, d, middle);
          run.denoise(middle, sigmaMiddle, d);
          run.slope(middle, d, sigmaMiddle, d);
          run.add(next - raised, d, x);
        }
        run.endStep(steps, x0);
      }
    }
  }
}
