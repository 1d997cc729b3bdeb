package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * DPM-Solver++ for the SDE with a stage in the middle, of k-diffusion ({@code sample_dpmpp_sde}).
 * Two evaluations a step, but for the last, which is Euler's.
 *
 * <p>From σ both to the middle, √(σ·σ'), and to the next level σ' noise is added. The two ways
 * overlap, so their noises belong to one Brownian motion W(σ): {@code n = (W(b) - W(a))/√|b-a|}.
 *
 * @param sigmas the noise levels
 * @param ancestral how steps are split
 * @param brownian whether the noises of a step belong together as they should; else they are
 *     independent
 */
public record DpmppSdeSampler(SigmaSchedule sigmas, Ancestral ancestral, boolean brownian)
    implements Sampler {
  public DpmppSdeSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(ancestral, "ancestral");
  }

  /** With η = 1 and Brownian noise. */
  public DpmppSdeSampler(SigmaSchedule sigmas) {
    this(sigmas, Ancestral.DEFAULT, true);
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
            "dpmpp-sde", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      var x0 = run.take();
      var n = run.take();
      var fresh = run.take();
      var middle = run.take();
      var there = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double sigma = sigmas.at(i);
        double next = sigmas.at(i + 1);
        run.denoise(x, sigma, x0);
        if (next == 0) {
          backend.copy(x0, x);
        } else {
          double sigmaMiddle = Math.sqrt(sigma * next);
          double up = ancestral.up(sigma, sigmaMiddle);
          double kept = ancestral.down(sigmaMiddle, up) / sigma;
          run.combine(kept, x, 1 - kept, x0, middle);
          run.draw(n);
          run.add(up * ancestral.noise(), n, middle);
          run.denoise(middle, sigmaMiddle, there);

          up = ancestral.up(sigma, next);
          kept = ancestral.down(next, up) / sigma;
          run.combine(kept, x, 1 - kept, there, x);
          run.draw(fresh);
          if (brownian) {
            // the rest of the way adds its own increment to that of the first half
            double first = (sigma - sigmaMiddle) / (sigma - next);
            run.combine(Math.sqrt(first), n, Math.sqrt(1 - first), fresh, fresh);
          }
          run.add(up * ancestral.noise(), fresh, x);
        }
        run.endStep(steps, x0);
      }
    }
  }
}
