package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/** A network that looks at one number at a time; the variance channels follow the prediction. */
abstract class PointwiseDenoiser implements Denoiser {
  private final int channels;
  private final boolean learnsVariance;

  PointwiseDenoiser(int channels, boolean learnsVariance) {
    this.channels = channels;
    this.learnsVariance = learnsVariance;
  }

  abstract double prediction(double x, double t);

  abstract double variance(double x, double t);

  @Override
  public int outChannels() {
    return learnsVariance ? 2 * channels : channels;
  }

  @Override
  public void predict(Tensor x, double t, Tensor out) {
    for (long row = 0; row < x.shape().rows(); row++) {
      for (int c = 0; c < channels; c++) {
        double value = x.getFloat(row * channels + c);
        out.setFloat(row * outChannels() + c, (float) prediction(value, t));
        if (learnsVariance) {
          out.setFloat(row * outChannels() + channels + c, (float) variance(value, t));
        }
      }
    }
  }

  /** The network of the golden traces, {@code sampler-gaussian}. */
  static PointwiseDenoiser golden(int channels) {
    return new PointwiseDenoiser(channels, true) {
      @Override
      double prediction(double x, double t) {
        double tt = t / 1000;
        return Math.tanh(0.7 * x + 0.3 * Math.sin(3 * x) * (1 - tt)) * (0.5 + tt);
      }

      @Override
      double variance(double x, double t) {
        return Math.sin(2 * x + t / 1000);
      }
    };
  }

  /** The exact noise of images with mean 0.3 and variance ¼, for {@code α = exp(-5(t/1000)²)}. */
  static PointwiseDenoiser gaussian(boolean learnsVariance) {
    return new PointwiseDenoiser(1, learnsVariance) {
      @Override
      double prediction(double x, double t) {
        double alpha = Math.exp(-5 * (t / 1000) * (t / 1000));
        double sigma2 = 1 - alpha * alpha;
        return Math.sqrt(sigma2) * (x - 0.3 * alpha) / (0.25 * alpha * alpha + sigma2);
      }

      @Override
      double variance(double x, double t) {
        return 0.1 * Math.cos(t / 100);
      }
    };
  }
}
