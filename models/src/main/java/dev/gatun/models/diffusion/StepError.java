package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;

/**
 * How far two results of a step lie apart, in units of what is allowed: the root mean square of
 * {@code (higher - lower)/δ} with {@code δ = max(absolute, relative·max(|lower|, |previous|))}.
 */
final class StepError {
  private static final int ROUNDINGS = 4;

  private final HostCopy lower;
  private final HostCopy higher;
  private final HostCopy previous;
  private final double absolute;
  private final double relative;
  private final int images;

  StepError(Tensor x, Backend backend, double absolute, double relative) {
    lower = new HostCopy(backend, x);
    higher = new HostCopy(backend, x);
    previous = new HostCopy(backend, x);
    this.absolute = absolute;
    this.relative = relative;
    images = x.dim(0);
  }

  /** That of the image for which it is largest. */
  double largest(Tensor low, Tensor high, Tensor before) {
    return error(images, low, high, before);
  }

  /** That of the batch as one. */
  double whole(Tensor low, Tensor high, Tensor before) {
    return error(1, low, high, before);
  }

  private double error(int parts, Tensor low, Tensor high, Tensor before) {
    float[] l = lower.of(low);
    float[] h = higher.of(high);
    float[] p = previous.of(before);
    int size = l.length / parts;
    double largest = 0;
    for (int part = 0; part < parts; part++) {
      double sum = 0;
      for (int i = part * size; i < (part + 1) * size; i++) {
        double magnitude = Math.max(Math.abs(l[i]), Math.abs(p[i]));
        double d = Math.abs((double) h[i] - l[i]);
        // what rounding made of equal numbers must not decide on the next step's length
        if (!(d <= ROUNDINGS * Math.ulp(h[i]))) {
          d /= Math.max(absolute, relative * magnitude);
          sum += d * d;
        }
      }
      largest = Math.max(largest, Math.sqrt(sum / size));
    }
    if (!Double.isFinite(largest)) {
      // no step length would do, so there would be no end
      throw new NoStepException(
          "the error of an adaptive step is "
              + largest
              + ": the network gave no numbers, or far too large ones; choose another sampler");
    }
    return largest;
  }
}
