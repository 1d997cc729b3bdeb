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
 * @param schedule with as many steps as the sampler takes
 * @param prediction what the network predicts
 * @param clip whether the predicted image is clamped to [-1, 1]: for pixels, not for latents
 * @param eta η in 0 … 1: 0 is deterministic, 1 is {@link DdpmSampler} with {@link
 *     Variance#FIXED_SMALL}
 */
public record DdimSampler(NoiseSchedule schedule, Prediction prediction, boolean clip, double eta)
    implements Sampler {
  public DdimSampler {
    Objects.requireNonNull(schedule, "schedule");
    Objects.requireNonNull(prediction, "prediction");
    if (!(eta >= 0 && eta <= 1)) {
      throw new IllegalArgumentException("ddim: eta is " + eta + ": give a number from 0 to 1");
    }
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
    int mark = workspace.mark();
    try {
      var tensors = SamplerTensors.take("ddim", x, denoiser, backend, workspace);
      var x0 = tensors.x0();
      for (int k = steps - 1; k >= 0; k--) {
        SamplerTensors.checkInterrupt(steps - 1 - k, steps);
        double alphaBar = schedule.alphaBar(k);
        double previous = schedule.alphaBarPrevious(k);
        double sigma =
            eta * Math.sqrt((1 - previous) / (1 - alphaBar)) * Math.sqrt(1 - alphaBar / previous);

        denoiser.predict(x, schedule.timestep(k), tensors.out());
        prediction.toX0(backend, alphaBar, tensors.prediction(), x, x0);
        if (clip) {
          backend.clamp(x0, -1, 1, x0);
        }
        // ε anew, since x_0 may have been clamped: x = √ᾱ·x_0 + √(1-ᾱ)·ε
        var epsilon = tensors.prediction();
        double noiseLevel = Math.sqrt(1 - alphaBar);
        backend.combine(1 / noiseLevel, x, -Math.sqrt(alphaBar) / noiseLevel, x0, epsilon);
        // not negative but for rounding, where ᾱ is 0 and η is 1
        double direction = Math.sqrt(Math.max(0, 1 - previous - sigma * sigma));
        backend.combine(Math.sqrt(previous), x0, direction, epsilon, x);
        if (eta > 0) {
          noise.next(tensors.noise());
          if (k > 0) {
            backend.combine(1, x, sigma, tensors.noise(), x);
          }
        }
        if (listener != null) {
          listener.step(steps - k, steps, x0);
        }
      }
    } finally {
      workspace.release(mark);
    }
  }
}
