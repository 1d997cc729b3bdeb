package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * The linear multistep method of Adams and Bashforth for the ODE of {@link EulerSampler}: the
 * polynomial through the last slopes, integrated over the step. One evaluation a step.
 *
 * @param sigmas the noise levels
 * @param order how many slopes are used, 1 to 4
 */
public record LmsSampler(SigmaSchedule sigmas, int order) implements Sampler {
  public LmsSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    if (order < 1 || order > 4) {
      throw new IllegalArgumentException("lms of order " + order + ": give 1 to 4");
    }
  }

  /** Of order 4. */
  public LmsSampler(SigmaSchedule sigmas) {
    this(sigmas, 4);
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
        Run.inSigmaSpace("lms", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      var x0 = run.take();
      var slopes = new Tensor[order]; // the newest first
      for (int j = 0; j < order; j++) {
        slopes[j] = run.take();
      }
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        var oldest = slopes[order - 1];
        System.arraycopy(slopes, 0, slopes, 1, order - 1);
        slopes[0] = oldest;
        run.denoise(x, sigmas.at(i), x0);
        run.slope(x, x0, sigmas.at(i), slopes[0]);
        int known = Math.min(i + 1, order);
        for (int j = 0; j < known; j++) {
          run.add(weight(i, j, known), slopes[j], x);
        }
        run.endStep(steps, x0);
      }
    }
  }

  /**
   * The integral over step i of the Lagrange polynomial that is 1 at σ_{i-j} and 0 at the other
   * known levels. Its degree is at most 3, so Gauss's formula of two points is exact.
   */
  private double weight(int i, int j, int known) {
    double middle = (sigmas.at(i) + sigmas.at(i + 1)) / 2;
    double half = (sigmas.at(i + 1) - sigmas.at(i)) / 2;
    double point = half / Math.sqrt(3);
    return half * (lagrange(i, j, known, middle - point) + lagrange(i, j, known, middle + point));
  }

  private double lagrange(int i, int j, int known, double sigma) {
    double product = 1;
    for (int k = 0; k < known; k++) {
      if (k != j) {
        product *= (sigma - sigmas.at(i - k)) / (sigmas.at(i - j) - sigmas.at(i - k));
      }
    }
    return product;
  }
}
