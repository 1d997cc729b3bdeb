package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * DPM-Solver++(2S) with ancestral noise, of k-diffusion: the midpoint in log σ of the exact
 * integral of "DPM-Solver++" (C. Lu and others, 2022). Two evaluations a step, but for the last.
 *
 * @param sigmas the noise levels
 * @param ancestral how steps are split
 */
public record Dpmpp2sAncestralSampler(SigmaSchedule sigmas, Ancestral ancestral)
    implements Sampler {
  public Dpmpp2sAncestralSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(ancestral, "ancestral");
  }

  /** With η = 1. */
  public Dpmpp2sAncestralSampler(SigmaSchedule sigmas) {
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
            "dpmpp-2s-a", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      var x0 = run.take();
      var n = run.take();
      var middle = run.take();
      var there = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double sigma = sigmas.at(i);
        double next = sigmas.at(i + 1);
        double up = ancestral.up(sigma, next);
        double down = ancestral.down(next, up);
        run.denoise(x, sigma, x0);
        if (down == 0) {
          backend.copy(x0, x);
        } else {
          double sigmaMiddle = Math.sqrt(sigma * down);
          double kept = sigmaMiddle / sigma;
          run.combine(kept, x, 1 - kept, x0, middle);
          run.denoise(middle, sigmaMiddle, there);
          run.combine(down / sigma, x, 1 - down / sigma, there, x);
        }
        if (next > 0) {
          run.addNoise(up * ancestral.noise(), n);
        }
        run.endStep(steps, x0);
      }
    }
  }
}
