package dev.gatun.models.diffusion;

import java.util.Objects;

/**
 * How a network F becomes a denoiser in σ-space: {@code D(x; σ) = c_skip·x + c_out·F(c_in·x;
 * c_noise)}, table 1 of "Elucidating the Design Space of Diffusion-Based Generative Models" (T.
 * Karras and others, 2022).
 */
public sealed interface Preconditioning {
  /** The factor of x in the result. */
  double skip(double sigma);

  /** The factor of what the network says. */
  double out(double sigma);

  /** The factor of x in what the network sees. */
  double in(double sigma);

  /** What the network is told. */
  double noise(double sigma);

  /** The noise level nearest to a given one that the network knows. */
  default double nearest(double sigma) {
    return sigma;
  }

  /**
   * EDM's own, for networks that were trained with it: all in and outputs have variance 1.
   *
   * @param sigmaData the standard deviation of the images, 0.5
   */
  record Edm(double sigmaData) implements Preconditioning {
    public Edm {
      if (!(sigmaData > 0)) {
        throw new IllegalArgumentException(
            "sigmaData is " + sigmaData + ": give the standard deviation of the images, 0.5");
      }
    }

    /** With σ_data = 0.5. */
    public Edm() {
      this(0.5);
    }

    @Override
    public double skip(double sigma) {
      return sigmaData * sigmaData / (sigma * sigma + sigmaData * sigmaData);
    }

    @Override
    public double out(double sigma) {
      return sigma * sigmaData / Math.sqrt(sigma * sigma + sigmaData * sigmaData);
    }

    @Override
    public double in(double sigma) {
      return 1 / Math.sqrt(sigma * sigma + sigmaData * sigmaData);
    }

    @Override
    public double noise(double sigma) {
      return Math.log(sigma) / 4;
    }
  }

  /** VE models of Song and others: {@code D = x + σ·F(x; ln(σ/2))}. */
  record Ve() implements Preconditioning {
    @Override
    public double skip(double sigma) {
      return 1;
    }

    @Override
    public double out(double sigma) {
      return sigma;
    }

    @Override
    public double in(double sigma) {
      return 1;
    }

    @Override
    public double noise(double sigma) {
      return Math.log(sigma / 2);
    }
  }

  /**
   * Networks that were trained with {@code α² + σ_t² = 1} on a noise curve or in the steps of a
   * schedule, whatever they predict: in σ-space their σ is {@code σ_t/α}, and they see {@code
   * x/√(1+σ²)}. For {@link Prediction#EPSILON} this is {@code D = x - σ·ε}: EDM's VP and iDDPM, and
   * the wrappers of k-diffusion.
   */
  record Vp(NetworkTime time, Prediction prediction) implements Preconditioning {
    public Vp {
      Objects.requireNonNull(time, "time");
      prediction.requireAnyTime("a sampler in sigma space");
    }

    @Override
    public double skip(double sigma) {
      return switch (prediction) {
        case EPSILON, SCORE -> 1;
        case V -> 1 / (sigma * sigma + 1);
        case X_0, PREVIOUS_X -> 0;
      };
    }

    @Override
    public double out(double sigma) {
      return switch (prediction) {
        case EPSILON -> -sigma;
        case SCORE -> sigma * sigma / Math.sqrt(sigma * sigma + 1);
        case V -> -sigma / Math.sqrt(sigma * sigma + 1);
        case X_0, PREVIOUS_X -> 1;
      };
    }

    @Override
    public double in(double sigma) {
      return 1 / Math.sqrt(sigma * sigma + 1);
    }

    @Override
    public double noise(double sigma) {
      return time.at(sigma);
    }

    @Override
    public double nearest(double sigma) {
      return time.nearest(sigma);
    }
  }
}
