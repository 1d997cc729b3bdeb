package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * Euler's method for the ODE {@code dx/dσ = (x - D(x; σ))/σ} of "Elucidating the Design Space of
 * Diffusion-Based Generative Models" (T. Karras and others, 2022), with churn if asked for.
 *
 * <p>Like all samplers in σ-space it takes unit noise in x and brings it to σ_0 itself.
 *
 * @param sigmas the noise levels
 * @param churn noise on the way
 */
public record EulerSampler(SigmaSchedule sigmas, Churn churn) implements Sampler {
  public EulerSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(churn, "churn");
  }

  /** Without churn. */
  public EulerSampler(SigmaSchedule sigmas) {
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
        Run.inSigmaSpace(
            "euler",
            denoiser.nearest(sigmas.at(0)),
            denoiser,
            x,
            noise,
            backend,
            workspace,
            listener)) {
      var x0 = run.take();
      var n = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double sigma = run.level(sigmas, i);
        double raised = denoiser.nearest(churn.raised(sigma, steps));
        churn.raise(run, sigma, raised, n);
        run.denoise(x, raised, x0);
        // x + (σ' - σ̂)·(x - D)/σ̂
        double kept = run.level(sigmas, i + 1) / raised;
        run.combine(kept, x, 1 - kept, x0, x);
        run.endStep(steps, x0);
      }
    }
  }
}
