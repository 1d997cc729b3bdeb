package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/**
 * The steps of DPM-Solver (C. Lu and others, 2022) in σ-space, in {@code t = -log σ}, from s to t:
 * with {@code ε = (x - D(x; σ))/σ} and h = t-s, {@code x_t = x - σ_t·((e^h - 1)·ε + …)}.
 */
final class VeSteps {
  private final Run run;
  private final Tensor epsilon1;
  private final Tensor epsilon2;
  private final Tensor denoised;

  VeSteps(Run run) {
    this.run = run;
    epsilon1 = run.take();
    epsilon2 = run.take();
    denoised = run.take();
  }

  /** ε of images, and the image predicted with it. */
  void epsilon(Tensor x, double t, Tensor x0, Tensor epsilon) {
    double sigma = Math.exp(-t);
    run.denoise(x, sigma, x0);
    run.slope(x, x0, sigma, epsilon);
  }

  /** Where a step to t arrives if noise brings it back up to t: at most the end. */
  double down(double s, double t, double end, Ancestral ancestral) {
    if (ancestral.eta() == 0) {
      return t;
    }
    double to = Math.exp(-t);
    double down = ancestral.down(to, ancestral.up(Math.exp(-s), to));
    return Math.min(end, -Math.log(down));
  }

  void first(Tensor x, double s, double t, Tensor epsilon, Tensor out) {
    run.combine(1, x, -Math.exp(-t) * Math.expm1(t - s), epsilon, out);
  }

  /** ε at the part r of the step, which the next call may use, is kept. */
  void second(Tensor x, double s, double t, double r, Tensor epsilon, Tensor out) {
    double s1 = s + r * (t - s);
    first(x, s, s1, epsilon, out);
    epsilon(out, s1, denoised, epsilon1);
    double c = Math.exp(-t) * Math.expm1(t - s);
    run.combine(1, x, -c + c / (2 * r), epsilon, out);
    run.add(-c / (2 * r), epsilon1, out);
  }

  /**
   * @param evaluate whether ε at the part r1 is to be evaluated; else it is that of {@link #second}
   */
  void third(
      Tensor x,
      double s,
      double t,
      double r1,
      double r2,
      Tensor epsilon,
      boolean evaluate,
      Tensor out) {
    double h = t - s;
    if (evaluate) {
      double s1 = s + r1 * h;
      first(x, s, s1, epsilon, out);
      epsilon(out, s1, denoised, epsilon1);
    }
    double s2 = s + r2 * h;
    double c2 = Math.exp(-s2) * Math.expm1(r2 * h);
    double bend = Math.exp(-s2) * (r2 / r1) * (Math.expm1(r2 * h) / (r2 * h) - 1);
    run.combine(1, x, -c2 + bend, epsilon, out);
    run.add(-bend, epsilon1, out);
    epsilon(out, s2, denoised, epsilon2);

    double c = Math.exp(-t) * Math.expm1(h);
    bend = Math.exp(-t) / r2 * (Math.expm1(h) / h - 1);
    run.combine(1, x, -c + bend, epsilon, out);
    run.add(-bend, epsilon2, out);
  }
}
