package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * {@link Dpm2Sampler} with ancestral noise, of k-diffusion.
 *
 * @param sigmas the noise levels
 * @param ancestral how steps are split
 */
public record Dpm2AncestralSampler(SigmaSchedule sigmas, Ancestral ancestral) implements Sampler {
  public Dpm2AncestralSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(ancestral, "ancestral");
  }

  /** With η = 1. */
  public Dpm2AncestralSampler(SigmaSchedule sigmas) {
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
            "dpm2-a", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      var x0 = run.take();
      var n = run.take();
      var d = run.take();
      var middle = run.take();
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
          run.slope(x, x0, sigma, d);
          run.combine(1, x, sigmaMiddle - sigma, d, middle);
          run.denoise(middle, sigmaMiddle, d);
          run.slope(middle, d, sigmaMiddle, d);
          run.add(down - sigma, d, x);
        }
        if (next > 0) {
          run.addNoise(up * ancestral.noise(), n);
        }
        run.endStep(steps, x0);
      }
    }
  }
}
