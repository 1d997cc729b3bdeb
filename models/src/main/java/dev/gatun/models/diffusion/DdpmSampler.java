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
 * @param schedule with as many steps as the sampler takes
 * @param prediction what the network predicts
 * @param variance σ²; {@link Variance#LEARNED_RANGE} needs a network with 2C channels
 * @param clip whether the predicted image is clamped to [-1, 1]: for pixels, not for latents
 */
public record DdpmSampler(
    NoiseSchedule schedule, Prediction prediction, Variance variance, boolean clip)
    implements Sampler {
  public DdpmSampler {
    Objects.requireNonNull(schedule, "schedule");
    Objects.requireNonNull(prediction, "prediction");
    Objects.requireNonNull(variance, "variance");
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
      var tensors = SamplerTensors.take("ddpm", x, denoiser, backend, workspace);
      requireVariance(denoiser, tensors);
      var x0 = tensors.x0();
      for (int k = steps - 1; k >= 0; k--) {
        SamplerTensors.checkInterrupt(steps - 1 - k, steps);
        denoiser.predict(x, schedule.timestep(k), tensors.out());
        prediction.toX0(backend, schedule.alphaBar(k), tensors.prediction(), x, x0);
        if (clip) {
          backend.clamp(x0, -1, 1, x0);
        }
        backend.combine(schedule.posteriorMeanOfX0(k), x0, schedule.posteriorMeanOfX(k), x, x);
        noise.next(tensors.noise());
        if (k > 0) {
          addNoise(k, tensors, x, backend);
        }
        if (listener != null) {
          listener.step(steps - k, steps, x0);
        }
      }
    } finally {
      workspace.release(mark);
    }
  }

  private void requireVariance(Denoiser denoiser, SamplerTensors tensors) {
    if (variance == Variance.LEARNED_RANGE && tensors.variance() == null) {
      throw new IllegalArgumentException(
          "ddpm: a learned variance needs twice the channels of the images, the network gives only "
              + denoiser.outChannels()
              + ": choose a fixed variance");
    }
  }

  /** {@code x ← x + σ·n} for a step k > 0. */
  private void addNoise(int k, SamplerTensors tensors, Tensor x, Backend backend) {
    double large = Math.log(schedule.beta(k));
    double small = schedule.posteriorLogVariance(k);
    switch (variance) {
      case LEARNED_RANGE -> {
        // σ = exp(½ log σ²), and log σ² is linear in v
        var v = tensors.variance();
        backend.exp((large - small) / 4, v, (large + small) / 4, v);
        backend.multiplyAdd(v, tensors.noise(), x, x);
      }
      case FIXED_SMALL -> backend.combine(1, x, Math.exp(small / 2), tensors.noise(), x);
      case FIXED_LARGE -> backend.combine(1, x, Math.exp(large / 2), tensors.noise(), x);
    }
  }
}
