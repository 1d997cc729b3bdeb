package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * DPM-Solver++(3M) for the SDE, of k-diffusion ({@code sample_dpmpp_3m_sde}): the polynomial
 * through the last three predictions. One evaluation a step.
 *
 * @param sigmas the noise levels
 * @param ancestral η and the noise, as for {@link Dpmpp2mSdeSampler}
 */
public record Dpmpp3mSdeSampler(SigmaSchedule sigmas, Ancestral ancestral) implements Sampler {
  public Dpmpp3mSdeSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(ancestral, "ancestral");
  }

  /** With η = 1. */
  public Dpmpp3mSdeSampler(SigmaSchedule sigmas) {
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
            "dpmpp-3m-sde", sigmas.at(0), denoiser, x, noise, backend, workspace, listener)) {
      double eta = ancestral.eta();
      var n = run.take();
      var x0 = run.take(); // the newest prediction, then the older ones
      var d1 = run.take();
      var d2 = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double sigma = sigmas.at(i);
        double next = sigmas.at(i + 1);
        var oldest = d2;
        d2 = d1;
        d1 = x0;
        x0 = oldest;
        run.denoise(x, sigma, x0);
        if (next == 0) {
          backend.copy(x0, x);
        } else {
          double h = Math.log(sigma / next);
          double z = -h * (eta + 1);
          double kept = Math.exp(z);
          double phi2 = 1 - (kept - 1) / z;
          double phi3 = -phi2 / z - 0.5;
          double of0 = 0; // the factor of (D - D_1)/r_0
          double of1 = 0; // that of (D_1 - D_2)/r_1
          if (i == 1) {
            of0 = phi2 / (Math.log(sigmas.at(0) / sigma) / h);
          } else if (i > 1) {
            double r0 = Math.log(sigmas.at(i - 1) / sigma) / h;
            double r1 = Math.log(sigmas.at(i - 2) / sigmas.at(i - 1)) / h;
            // δ_0 = (D-D_1)/r_0, δ_1 = (D_1-D_2)/r_1,
            // φ_2·(δ_0 + r_0/(r_0+r_1)·(δ_0-δ_1)) - φ_3·(δ_0-δ_1)/(r_0+r_1)
            double bend = (phi2 * r0 - phi3) / (r0 + r1);
            of0 = (phi2 + bend) / r0;
            of1 = -bend / r1;
          }
          run.combine(kept, x, 1 - kept + of0, x0, x);
          if (i > 0) {
            run.add(of1 - of0, d1, x);
          }
          if (i > 1) {
            run.add(-of1, d2, x);
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
