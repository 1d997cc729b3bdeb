package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * Ancestral sampling: algorithm 2 of "Denoising Diffusion Probabilistic Models" (J. Ho, A. Jain, P.
 * Abbeel, 2020), with the learned variance of "Improved DDPM" (A. Nichol, P. Dhariwal, 2021).
 *
 * <p>For k = K-1 … 0: {@code x ← c0·x_0 + c1·x + σ·n} with x_0 as predicted, {@code c0 =
 * β√ᾱ_prev/(1-ᾱ)} and {@code c1 = (1-ᾱ_prev)√(1-β)/(1-ᾱ)}. The noise n is drawn at every step, as
 * the authors' code does, but not added at the last one.
 *
 * <p>With a classifier to guide it, the mean is moved by {@code σ²·g} first.
 *
 * @param schedule with as many steps as the sampler takes
 * @param prediction what the network predicts; where it is the mean, that is taken as it is
 * @param variance σ²; a learned one needs a network with 2C channels
 * @param correction of the predicted image
 */
public record DdpmSampler(
    NoiseSchedule schedule, Prediction prediction, Variance variance, X0Correction correction)
    implements Sampler {
  public DdpmSampler {
    Objects.requireNonNull(schedule, "schedule");
    Objects.requireNonNull(prediction, "prediction");
    Objects.requireNonNull(variance, "variance");
    Objects.requireNonNull(correction, "correction");
  }

  /**
   * A sampler that may clip.
   *
   * @param clip whether the predicted image is clamped to [-1, 1]: for pixels, not for latents
   */
  public DdpmSampler(
      NoiseSchedule schedule, Prediction prediction, Variance variance, boolean clip) {
    this(schedule, prediction, variance, X0Correction.clip(clip));
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
    int steps = schedule.steps();
    try (var run = new Run("ddpm", denoiser, x, noise, backend, workspace, listener)) {
      requireVariance(run);
      var corrector = new X0Corrector(correction, x, backend);
      var guidance = denoiser.guidance();
      var x0 = run.take();
      var n = run.take();
      var g = guidance == null ? null : run.take();
      for (int k = steps - 1; k >= 0; k--) {
        run.beginStep(steps);
        double t = schedule.time(k);
        run.predict(x, t);
        prediction.toX0(backend, schedule, k, run.prediction, x, x0);
        corrector.apply(x0, t);
        if (guidance != null) {
          guidance.at(x, t, g);
        }
        if (prediction == Prediction.PREVIOUS_X) {
          backend.copy(run.prediction, x);
        } else {
          run.combine(schedule.posteriorMeanOfX0(k), x0, schedule.posteriorMeanOfX(k), x, x);
        }
        if (guidance != null) {
          addGradient(k, run, g, n);
        }
        run.draw(n);
        if (k > 0) {
          addNoise(k, run, n);
        }
        run.endStep(steps, x0);
      }
    }
  }

  private void requireVariance(Run run) {
    boolean learned = variance == Variance.LEARNED_RANGE || variance == Variance.LEARNED;
    if (learned && run.variance == null) {
      throw new IllegalArgumentException(
          "ddpm: a learned variance needs twice the channels of the images, the network gives only "
              + run.denoiser.outChannels()
              + ": choose a fixed variance");
    }
  }

  /** {@code x ← x + σ²·g}; scratch is overwritten. */
  private void addGradient(int k, Run run, Tensor g, Tensor scratch) {
    switch (variance) {
      case LEARNED_RANGE, LEARNED -> {
        power(1, k, run, scratch);
        run.backend.multiplyAdd(scratch, g, run.x, run.x);
      }
      case FIXED_SMALL -> run.add(schedule.posteriorVariance(k), g, run.x);
      case FIXED_LARGE -> run.add(Math.exp(logLarge(k)), g, run.x);
    }
  }

  /** {@code x ← x + σ·n}. */
  private void addNoise(int k, Run run, Tensor n) {
    switch (variance) {
      case LEARNED_RANGE, LEARNED -> {
        power(0.5, k, run, run.variance);
        run.backend.multiplyAdd(run.variance, n, run.x, run.x);
      }
      case FIXED_SMALL -> run.add(Math.exp(schedule.posteriorLogVariance(k) / 2), n, run.x);
      case FIXED_LARGE -> run.add(Math.exp(logLarge(k) / 2), n, run.x);
    }
  }

  /** {@code out = (σ²)^p} of a learned variance, whose logarithm is linear in v. */
  private void power(double p, int k, Run run, Tensor out) {
    if (variance == Variance.LEARNED) {
      run.backend.exp(p, run.variance, 0, out);
      return;
    }
    double large = Math.log(schedule.beta(k));
    double small = schedule.posteriorLogVariance(k);
    run.backend.exp(p * (large - small) / 2, run.variance, p * (large + small) / 2, out);
  }

  /** {@code log β}, with the posterior's of step 1 for step 0, as the authors have it. */
  private double logLarge(int k) {
    return k == 0 ? schedule.posteriorLogVariance(0) : Math.log(schedule.beta(k));
  }
}
