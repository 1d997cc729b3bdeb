package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * Euler's method with ancestral noise, of k-diffusion: a step to {@code σ_down}, then noise up to
 * the next level.
 *
 * @param sigmas the noise levels
 * @param ancestral how steps are split
 */
public record EulerAncestralSampler(SigmaSchedule sigmas, Ancestral ancestral) implements Sampler {
  public EulerAncestralSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(ancestral, "ancestral");
  }

  /** With η = 1. */
  public EulerAncestralSampler(SigmaSchedule sigmas) {
    this(sigmas, Ancestral.DEFAULT);
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
            "euler-a", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      var x0 = run.take();
      var n = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double sigma = sigmas.at(i);
        double next = sigmas.at(i + 1);
        double up = ancestral.up(sigma, next);
        double kept = ancestral.down(next, up) / sigma;
        run.denoise(x, sigma, x0);
        run.combine(kept, x, 1 - kept, x0, x);
        if (next > 0) {
          run.addNoise(up * ancestral.noise(), n);
        }
        run.endStep(steps, x0);
      }
    }
  }
}
