package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * How well a network explains images: the variational bound on their negative log likelihood, in
 * bits per dimension ("Improved DDPM", A. Nichol, P. Dhariwal, 2021, section 2.1; {@code
 * image_nll.py} of guided-diffusion).
 *
 * <p>With {@code x_k = √ᾱ_k·x_0 + √(1-ᾱ_k)·n}, each step k > 0 costs {@code KL(q(x_{k-1} | x_k,
 * x_0) ‖ p(x_{k-1} | x_k))}, step 0 the negative logarithm of the probability that its Gaussian
 * gives to the 256 levels of a pixel, and the noise itself {@code KL(q(x_K | x_0) ‖ N(0, 1))}; all
 * are means over the dimensions.
 *
 * @param schedule all of its steps are evaluated
 * @param prediction what the network predicts
 * @param variance of the steps
 * @param correction of the predicted image
 */
public record BitsPerDimension(
    NoiseSchedule schedule, Prediction prediction, Variance variance, X0Correction correction) {
  private static final double LEAST_PROBABILITY = 1e-12;

  public BitsPerDimension {
    Objects.requireNonNull(schedule, "schedule");
    Objects.requireNonNull(prediction, "prediction");
    Objects.requireNonNull(variance, "variance");
    Objects.requireNonNull(correction, "correction");
  }

  /**
   * What images cost.
   *
   * @param prior of each image: what its last noise differs from pure noise
   * @param terms of each image, then each step: what that step costs
   * @param squaredErrors of each image, then each step: the mean square of x_0 as predicted less
   *     x_0; that of the noise is {@code ᾱ/(1-ᾱ)} times as much
   */
  public record Result(double[] prior, double[][] terms, double[][] squaredErrors) {
    /** Bits per dimension of an image: the prior and all terms. */
    public double total(int image) {
      double sum = prior[image];
      for (double term : terms[image]) {
        sum += term;
      }
      return sum;
    }
  }

  /**
   * Evaluates images.
   *
   * @param images pixels in -1 … 1 on 256 levels, {@code [N, H, W, C]} on the backend's device
   * @param noise drawn once for each step, from the last to the first
   * @param listener told after each step; or null
   * @throws InterruptedException if the thread is interrupted; looked for before each step
   */
  public Result of(
      Denoiser denoiser,
      Tensor images,
      Noise noise,
      Backend backend,
      Workspace workspace,
      StepListener listener)
      throws InterruptedException {
    int n = images.dim(0);
    int steps = schedule.steps();
    var result = new Result(new double[n], new double[n][steps], new double[n][steps]);
    try (var run =
        new Run("bits per dimension", denoiser, images, noise, backend, workspace, listener)) {
      boolean learned = variance == Variance.LEARNED_RANGE || variance == Variance.LEARNED;
      if (learned && run.variance == null) {
        throw new IllegalArgumentException(
            "bits per dimension: a learned variance needs twice the channels of the images, the"
                + " network gives only "
                + denoiser.outChannels()
                + ": choose a fixed variance");
      }
      var corrector = new X0Corrector(correction, images, backend);
      float[] truth = new HostCopy(backend, images).of(images);
      var predicted = new HostCopy(backend, images);
      var variances = learned ? new HostCopy(backend, images) : null;
      var x = run.take();
      var x0 = run.take();
      for (int k = steps - 1; k >= 0; k--) {
        run.beginStep(steps);
        double alphaBar = schedule.alphaBar(k);
        run.draw(x);
        run.combine(Math.sqrt(1 - alphaBar), x, Math.sqrt(alphaBar), images, x);
        run.predict(x, schedule.time(k));
        prediction.toX0(backend, schedule, k, run.prediction, x, x0);
        if (prediction != Prediction.PREVIOUS_X) {
          corrector.apply(x0, schedule.time(k));
        }
        step(k, truth, predicted.of(x0), learned ? variances.of(run.variance) : null, result);
        run.endStep(steps, x0);
      }
      prior(truth, result);
    }
    return result;
  }

  private void step(int k, float[] truth, float[] predicted, float[] v, Result result) {
    int images = result.prior().length;
    int size = truth.length / images;
    double ofX0 = schedule.posteriorMeanOfX0(k);
    double posterior = schedule.posteriorLogVariance(k);
    for (int image = 0; image < images; image++) {
      double cost = 0;
      double squares = 0;
      for (int i = image * size; i < (image + 1) * size; i++) {
        // both means have the same part of x_k
        double error = truth[i] - (double) predicted[i];
        double logVariance = logVariance(k, v == null ? 0 : v[i]);
        squares += error * error;
        cost +=
            k == 0
                ? -logProbability(truth[i], ofX0 * error, logVariance)
                : divergence(ofX0 * error, posterior, logVariance);
      }
      result.terms()[image][k] = cost / size / Math.log(2);
      result.squaredErrors()[image][k] = squares / size;
    }
  }

  private double logVariance(int k, double v) {
    double small = schedule.posteriorLogVariance(k);
    return switch (variance) {
      case LEARNED_RANGE -> (v + 1) / 2 * Math.log(schedule.beta(k)) + (1 - v) / 2 * small;
      case LEARNED -> v;
      case FIXED_SMALL -> small;
      case FIXED_LARGE -> k == 0 ? small : Math.log(schedule.beta(k));
    };
  }

  private void prior(float[] truth, Result result) {
    int images = result.prior().length;
    int size = truth.length / images;
    double alphaBar = schedule.alphaBar(schedule.steps() - 1);
    double logVariance = Math.log1p(-alphaBar);
    for (int image = 0; image < images; image++) {
      double cost = 0;
      for (int i = image * size; i < (image + 1) * size; i++) {
        cost += divergence(Math.sqrt(alphaBar) * truth[i], logVariance, 0);
      }
      result.prior()[image] = cost / size / Math.log(2);
    }
  }

  /** KL of two Gaussians in nats, given the difference of their means. */
  static double divergence(double difference, double logVariance1, double logVariance2) {
    return 0.5
        * (-1
            + logVariance2
            - logVariance1
            + Math.exp(logVariance1 - logVariance2)
            + difference * difference * Math.exp(-logVariance2));
  }

  /**
   * The logarithm of the probability of a level: that of the interval of 2/255 around it, open to
   * the outside for black and white.
   *
   * @param x the level, in -1 … 1
   * @param difference x less the mean
   */
  static double logProbability(double x, double difference, double logVariance) {
    double inverse = Math.exp(-logVariance / 2);
    double upper = normalCdf(inverse * (difference + 1 / 255.0));
    double lower = normalCdf(inverse * (difference - 1 / 255.0));
    double probability = x < -0.999 ? upper : x > 0.999 ? 1 - lower : upper - lower;
    return Math.log(Math.max(probability, LEAST_PROBABILITY));
  }

  /** The authors' approximation of the Gaussian distribution function. */
  private static double normalCdf(double x) {
    return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
  }
}
