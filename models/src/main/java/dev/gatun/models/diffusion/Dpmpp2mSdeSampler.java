package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * DPM-Solver++(2M) for the SDE, of k-diffusion ({@code sample_dpmpp_2m_sde}). One evaluation a
 * step; with η = 0 it is {@link Dpmpp2mSampler}, without noise.
 *
 * @param sigmas the noise levels
 * @param ancestral η and the noise: {@code x += σ'·√(1 - e^{-2ηh})·n}, h the length in log σ
 * @param heun whether the second order is Heun's, else the midpoint's
 */
public record Dpmpp2mSdeSampler(SigmaSchedule sigmas, Ancestral ancestral, boolean heun)
    implements Sampler {
  public Dpmpp2mSdeSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(ancestral, "ancestral");
  }

  /** With η = 1 and the midpoint. */
  public Dpmpp2mSdeSampler(SigmaSchedule sigmas) {
    this(sigmas, Ancestral.DEFAULT, false);
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
            "dpmpp-2m-sde", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      double eta = ancestral.eta();
      var n = run.take();
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
        if (next == 0) {
          backend.copy(x0, x);
        } else {
          double h = Math.log(sigma / next);
          double z = -h - eta * h;
          double kept = Math.exp(z);
          double second = 0; // the factor of D - D_old
          if (i > 0) {
            double r = Math.log(sigmas.at(i - 1) / sigma) / h;
            second = (heun ? (1 - kept) / z + 1 : (1 - kept) / 2) / r;
          }
          run.combine(kept, x, 1 - kept + second, x0, x);
          if (i > 0) {
            run.add(-second, old, x);
          }
          if (eta > 0) {
            double up = next * Math.sqrt(-Math.expm1(-2 * eta * h));
            run.addNoise(up * ancestral.noise(), n);
          }
        }
        run.endStep(steps, x0);
      }
    }
  }
}
