package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * {@link DdimSampler} with η = 0 run backwards: from images to the noise that leads to them, the
 * reversed ODE of "Diffusion Models Beat GANs on Image Synthesis" (P. Dhariwal, A. Nichol, 2021,
 * appendix F).
 *
 * <p>For k = 0 … steps-1: {@code x ← √ᾱ_next·x_0 + √(1-ᾱ_next)·ε}, with x_0 as predicted and ε the
 * noise that leads from x_0 to x. After the last step of the schedule ᾱ_next is 0, so that step
 * gives ε itself; the authors advise to leave it out. Nothing is drawn, and no classifier guides.
 *
 * @param schedule of as many steps as there are
 * @param prediction what the network predicts
 * @param correction of the predicted image
 * @param steps how many of them to take, from the least noise on
 */
public record DdimReverse(
    NoiseSchedule schedule, Prediction prediction, X0Correction correction, int steps)
    implements Sampler {
  public DdimReverse {
    Objects.requireNonNull(schedule, "schedule");
    Objects.requireNonNull(prediction, "prediction");
    Objects.requireNonNull(correction, "correction");
    if (steps < 1 || steps > schedule.steps()) {
      throw new IllegalArgumentException(
          "ddim-reverse takes "
              + steps
              + " steps of a schedule of "
              + schedule.steps()
              + ": give 1 to "
              + schedule.steps());
    }
  }

  /** Takes images in x and leaves noise; otherwise as {@link Sampler#sample}. */
  @Override
  public void sample(
      Denoiser denoiser,
      Tensor x,
      Noise noise,
      Backend backend,
      Workspace workspace,
      StepListener listener)
      throws InterruptedException {
    try (var run = new Run("ddim-reverse", denoiser, x, noise, backend, workspace, listener)) {
      var corrector = new X0Corrector(correction, x, backend);
      var x0 = run.take();
      var epsilon = run.prediction;
      for (int k = 0; k < steps; k++) {
        run.beginStep(steps);
        double alphaBar = schedule.alphaBar(k);
        double noiseLevel = Math.sqrt(1 - alphaBar);
        double next = schedule.alphaBarNext(k);

        run.predict(x, schedule.time(k));
        prediction.toX0(backend, schedule, k, run.prediction, x, x0);
        corrector.apply(x0, schedule.time(k));
        run.combine(1 / noiseLevel, x, -Math.sqrt(alphaBar) / noiseLevel, x0, epsilon);
        run.combine(Math.sqrt(next), x0, Math.sqrt(1 - next), epsilon, x);
        run.endStep(steps, x0);
      }
    }
  }
}
