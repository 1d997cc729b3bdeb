package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * Heun's method with churn: algorithm 2 of "Elucidating the Design Space of Diffusion-Based
 * Generative Models" (T. Karras and others, 2022), EDM. Two evaluations a step, but for the last,
 * which is Euler's.
 *
 * @param sigmas the noise levels
 * @param churn noise on the way
 */
public record HeunSampler(SigmaSchedule sigmas, Churn churn) implements Sampler {
  public HeunSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(churn, "churn");
  }

  /** Without churn. */
  public HeunSampler(SigmaSchedule sigmas) {
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
            "heun",
            denoiser.nearest(sigmas.at(0)),
            denoiser,
            x,
            noise,
            backend,
            workspace,
            listener)) {
      var x0 = run.take();
      var n = run.take();
      var d = run.take();
      var euler = run.take();
      var there = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double sigma = run.level(sigmas, i);
        double next = run.level(sigmas, i + 1);
        double raised = denoiser.nearest(churn.raised(sigma, steps));
        double h = next - raised;
        churn.raise(run, sigma, raised, n);
        run.denoise(x, raised, x0);
        run.slope(x, x0, raised, d);
        if (next == 0) {
          backend.copy(x0, x);
        } else {
          run.combine(1, x, h, d, euler);
          run.denoise(euler, next, there);
          run.slope(euler, there, next, there);
          run.add(h / 2, d, x);
          run.add(h / 2, there, x);
        }
        run.endStep(steps, x0);
      }
    }
  }
}
