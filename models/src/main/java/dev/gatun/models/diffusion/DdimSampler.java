package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * Equation 12 of "Denoising Diffusion Implicit Models" (J. Song, C. Meng, S. Ermon, 2020).
 *
 * <p>For k = K-1 … 0: {@code x ← √ᾱ_prev·x_0 + √(1-ᾱ_prev-σ²)·ε + σ·n} with x_0 as predicted, ε the
 * noise that leads from x_0 to x, and {@code σ = η·√((1-ᾱ_prev)/(1-ᾱ))·√(1-ᾱ/ᾱ_prev)}. A variance
 * that the network predicts is left unread. Where η > 0, n is drawn at every step, as the authors'
 * code does, but not added at the last one; where η = 0, no noise is drawn.
 *
 * <p>With a classifier to guide it, ε is {@code ε - √(1-ᾱ)·g}, and x_0 follows from that, without
 * another correction.
 *
 * @param schedule with as many steps as the sampler takes
 * @param prediction what the network predicts
 * @param correction of the predicted image
 * @param eta η in 0 … 1: 0 is deterministic, 1 is {@link DdpmSampler} with {@link
 *     Variance#FIXED_SMALL}
 */
public record DdimSampler(
    NoiseSchedule schedule, Prediction prediction, X0Correction correction, double eta)
    implements Sampler {
  public DdimSampler {
    Objects.requireNonNull(schedule, "schedule");
    Objects.requireNonNull(prediction, "prediction");
    Objects.requireNonNull(correction, "correction");
    if (!(eta >= 0 && eta <= 1)) {
      throw new IllegalArgumentException("ddim: eta is " + eta + ": give a number from 0 to 1");
    }
  }

  /**
   * A sampler that may clip.
   *
   * @param clip whether the predicted image is clamped to [-1, 1]: for pixels, not for latents
   */
  public DdimSampler(NoiseSchedule schedule, Prediction prediction, boolean clip, double eta) {
    this(schedule, prediction, X0Correction.clip(clip), eta);
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
    try (var run = new Run("ddim", denoiser, x, noise, backend, workspace, listener)) {
      var corrector = new X0Corrector(correction, x, backend);
      var guidance = denoiser.guidance();
      var x0 = run.take();
      var n = run.take();
      var epsilon = run.prediction;
      for (int k = steps - 1; k >= 0; k--) {
        run.beginStep(steps);
        double t = schedule.time(k);
        double alphaBar = schedule.alphaBar(k);
        double noiseLevel = Math.sqrt(1 - alphaBar);
        double previous = schedule.alphaBarPrevious(k);
        double sigma =
            eta * Math.sqrt((1 - previous) / (1 - alphaBar)) * Math.sqrt(1 - alphaBar / previous);

        run.predict(x, t);
        prediction.toX0(backend, schedule, k, run.prediction, x, x0);
        corrector.apply(x0, t);
        if (guidance != null && alphaBar > 0) {
          guidance.at(x, t, n);
          run.add((1 - alphaBar) / Math.sqrt(alphaBar), n, x0);
        }
        // ε anew, since x_0 may have been changed: x = √ᾱ·x_0 + √(1-ᾱ)·ε
        run.combine(1 / noiseLevel, x, -Math.sqrt(alphaBar) / noiseLevel, x0, epsilon);
        // not negative but for rounding, where ᾱ is 0 and η is 1
        double direction = Math.sqrt(Math.max(0, 1 - previous - sigma * sigma));
        run.combine(Math.sqrt(previous), x0, direction, epsilon, x);
        if (eta > 0) {
          run.draw(n);
          if (k > 0) {
            run.add(sigma, n, x);
          }
        } else {
          noise.skip(x); // guided-diffusion draws it all the same
        }
        run.endStep(steps, x0);
      }
    }
  }
}
