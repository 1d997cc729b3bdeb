package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;
import java.util.function.DoubleUnaryOperator;

/**
 * Images whose elements are independent, of mean 0.3 and variance ¼, and the network and the
 * classifier that know all about them. The classifier says how likely an observation y = 1 with an
 * error of variance ¼ is, so guided by it images have mean 0.65 and variance ⅛.
 */
final class GaussianWorld implements Denoiser {
  static final double MEAN = 0.3;
  static final double VARIANCE = 0.25;
  static final double OBSERVED = 1;
  static final double ERROR = 0.25;
  static final double GUIDED_VARIANCE = 1 / (1 / VARIANCE + 1 / ERROR);
  static final double GUIDED_MEAN = GUIDED_VARIANCE * (MEAN / VARIANCE + OBSERVED / ERROR);

  private final DoubleUnaryOperator alphaOfTime;
  private final DoubleUnaryOperator sigmaOfTime;
  private final Prediction prediction;
  private final int channels;
  private final boolean guided;

  /** A network that is told times. */
  GaussianWorld(
      DoubleUnaryOperator alphaOfTime,
      DoubleUnaryOperator sigmaOfTime,
      Prediction prediction,
      int channels,
      boolean guided) {
    this.alphaOfTime = alphaOfTime;
    this.sigmaOfTime = sigmaOfTime;
    this.prediction = prediction;
    this.channels = channels;
    this.guided = guided;
  }

  /** {@code E[x_0 | x]}. */
  private static double expectation(double x, double alpha, double sigma) {
    return MEAN + gain(alpha, sigma) * (x - alpha * MEAN);
  }

  private static double gain(double alpha, double sigma) {
    return alpha * VARIANCE / (alpha * alpha * VARIANCE + sigma * sigma);
  }

  @Override
  public int outChannels() {
    return channels;
  }

  @Override
  public void predict(Tensor x, double t, Tensor out) {
    double alpha = alphaOfTime.applyAsDouble(t);
    double sigma = sigmaOfTime.applyAsDouble(t);
    // every form of the prediction is linear in x
    double at0 = said(0, alpha, sigma);
    double slope = said(1, alpha, sigma) - at0;
    float[] values = x.toFloats();
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (at0 + slope * values[i]);
    }
    out.setFloats(values);
  }

  private double said(double x, double alpha, double sigma) {
    double x0 = expectation(x, alpha, sigma);
    double epsilon = (x - alpha * x0) / sigma;
    return switch (prediction) {
      case EPSILON -> epsilon;
      case X_0 -> x0;
      case V -> alpha * epsilon - sigma * x0;
      case SCORE -> -epsilon / sigma;
      case PREVIOUS_X -> throw new IllegalStateException();
    };
  }

  @Override
  public Gradient guidance() {
    return guided ? this::gradient : null;
  }

  /** Of {@code log N(y; E[x_0 | x], Var[x_0 | x] + error)}. */
  private void gradient(Tensor x, double t, Tensor out) {
    double alpha = alphaOfTime.applyAsDouble(t);
    double sigma = sigmaOfTime.applyAsDouble(t);
    double gain = gain(alpha, sigma);
    double spread = VARIANCE - gain * alpha * VARIANCE + ERROR;
    float[] values = x.toFloats();
    for (int i = 0; i < values.length; i++) {
      double error = OBSERVED - expectation(values[i], alpha, sigma);
      values[i] = (float) (error / spread * gain);
    }
    out.setFloats(values);
  }
}
