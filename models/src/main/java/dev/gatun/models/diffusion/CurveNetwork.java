package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/**
 * A network at the times of a {@link NoiseCurve}, during one run: whatever it predicts, seen as a
 * prediction of the noise or of the image, with the guidance of a classifier: {@code ε - σ·g}.
 */
final class CurveNetwork {
  private final Run run;
  private final NoiseCurve curve;
  private final Prediction prediction;
  private final X0Corrector corrector;
  private final Gradient guidance;

  /** The gradient, or null without guidance. */
  private final Tensor g;

  CurveNetwork(Run run, NoiseCurve curve, Prediction prediction, X0Correction correction) {
    this.run = run;
    this.curve = curve;
    this.prediction = prediction;
    corrector = new X0Corrector(correction, run.x, run.backend);
    guidance = run.denoiser.guidance();
    g = guidance == null ? null : run.take();
  }

  /** The noise in x at a time. */
  void epsilon(Tensor x, double t, Tensor epsilon) {
    double networkTime = curve.networkTime(t);
    double sigma = curve.sigma(t);
    run.predict(x, networkTime);
    prediction.toEpsilon(run.backend, curve.alpha(t), sigma, run.prediction, x, epsilon);
    if (guidance != null) {
      guidance.at(x, networkTime, g);
      run.add(-sigma, g, epsilon);
    }
  }

  /** The image in x at a time, corrected. */
  void image(Tensor x, double t, Tensor x0) {
    double networkTime = curve.networkTime(t);
    double alpha = curve.alpha(t);
    double sigma = curve.sigma(t);
    run.predict(x, networkTime);
    prediction.toX0(run.backend, alpha, sigma, run.prediction, x, x0);
    if (guidance != null) {
      guidance.at(x, networkTime, g);
      run.add(sigma * sigma / alpha, g, x0);
    }
    corrector.apply(x0, networkTime);
  }

  /** {@code x0 = (x - σ·ε)/α}, uncorrected: the image that a noise leads to. */
  void imageOf(Tensor x, double t, Tensor epsilon, Tensor x0) {
    double alpha = curve.alpha(t);
    run.combine(1 / alpha, x, -curve.sigma(t) / alpha, epsilon, x0);
  }
}
