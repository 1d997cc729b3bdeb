package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * DPM-Solver++(2M) in σ-space, of k-diffusion: {@link DpmSolverMultistep} of order 2 for "DPM-
 * Solver++" (C. Lu and others, 2022). One evaluation a step.
 *
 * @param sigmas the noise levels
 */
public record Dpmpp2mSampler(SigmaSchedule sigmas) implements Sampler {
  public Dpmpp2mSampler {
    Objects.requireNonNull(sigmas, "sigmas");
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
        Run.inSigmaSpace(
            "dpmpp-2m", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      var x0 = run.take();
      var old = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double sigma = sigmas.at(i);
        double next = sigmas.at(i + 1);
        var oldest = old;
        old = x0;
        x0 = oldest;
        run.denoise(x, sigma, x0);
        double kept = next / sigma;
        if (i == 0 || next == 0) {
          run.combine(kept, x, 1 - kept, x0, x);
        } else {
          // D' = D + (D - D_old)/(2r), r the length of the step before in steps, both in log σ
          double r = Math.log(sigmas.at(i - 1) / sigma) / Math.log(sigma / next);
          run.combine(kept, x, (1 - kept) * (1 + 1 / (2 * r)), x0, x);
          run.add(-(1 - kept) / (2 * r), old, x);
        }
        run.endStep(steps, x0);
      }
    }
  }
}
