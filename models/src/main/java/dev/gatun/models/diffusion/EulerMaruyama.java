package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * The Euler–Maruyama method for the reverse SDE of "Score-Based Generative Modeling through
 * Stochastic Differential Equations" (Y. Song and others, 2021), or Euler's for its probability
 * flow ODE, as U-ViT samples pixels.
 *
 * <p>Over times τ = 0, then {@code steps} of them evenly from 10⁻³ to the start of the curve, from
 * the last one t down to the next s: {@code x ← x + (-½β·x - w·β·score)·(s-t) + √(β·(t-s))·n}, with
 * {@code score = -ε/σ}; w is 1 for the SDE and ½ for the ODE, which has no noise. The last step of
 * the SDE has none either, and there none is drawn.
 *
 * @param curve how noise grows with time
 * @param prediction what the network predicts
 * @param steps how many steps to take, at least 1
 * @param stochastic whether the SDE is solved, not the ODE
 */
public record EulerMaruyama(NoiseCurve curve, Prediction prediction, int steps, boolean stochastic)
    implements Sampler {
  private static final double EARLIEST = 1e-3;

  public EulerMaruyama {
    Objects.requireNonNull(curve, "curve");
    prediction.requireAnyTime("euler-maruyama");
    if (steps < 1) {
      throw new IllegalArgumentException(
          "euler-maruyama takes " + steps + " steps: give at least 1");
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
    try (var run = new Run("euler-maruyama", denoiser, x, noise, backend, workspace, listener)) {
      var network = new CurveNetwork(run, curve, prediction, X0Correction.none());
      var epsilon = run.take();
      var x0 = run.take();
      var n = run.take();
      for (int i = steps; i > 0; i--) {
        run.beginStep(steps);
        double t = time(i);
        double s = time(i - 1);
        double beta = curve.beta(t);
        double dt = s - t;
        network.epsilon(x, t, epsilon);
        network.imageOf(x, t, epsilon, x0);
        double ofScore = stochastic ? beta : beta / 2;
        run.combine(1 - beta / 2 * dt, x, ofScore / curve.sigma(t) * dt, epsilon, x);
        if (stochastic && i > 1) {
          run.draw(n);
          run.add(Math.sqrt(beta * -dt), n, x);
        }
        run.endStep(steps, x0);
      }
    }
  }

  /** τ_i. */
  private double time(int i) {
    if (i == 0) {
      return 0;
    }
    return i == steps
        ? curve.start()
        : EARLIEST + (i - 1) * (curve.start() - EARLIEST) / (steps - 1);
  }
}
