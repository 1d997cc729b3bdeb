package dev.gatun.runtime.reference;

import static dev.gatun.runtime.reference.ReferenceBackend.apply;
import static dev.gatun.runtime.reference.ReferenceBackend.set;
import static dev.gatun.runtime.reference.ReferenceBackend.value;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;

/** Normalisation over the groups of a sample, and the mean over its positions. */
final class ReferenceNorm {
  private ReferenceNorm() {}

  static void groupNorm(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor out) {
    int size = x.shape().cols() / groups;
    long positions = x.shape().rows() / Math.max(1, x.dim(0));
    for (int n = 0; n < x.dim(0); n++) {
      long from = n * positions;
      long to = from + positions;
      for (int first = 0; first < x.shape().cols(); first += size) {
        double mean = mean(x, from, to, first, first + size);
        double deviation = Math.sqrt(variance(x, from, to, first, first + size, mean) + eps);
        for (long r = from; r < to; r++) {
          for (int c = first; c < first + size; c++) {
            double y = (value(x, r, c) - mean) / deviation;
            y = y * value(gamma, 0, c) + value(beta, 0, c);
            if (scale != null) {
              y = y * (1.0 + value(scale, n, c)) + value(shift, n, c);
            }
            set(out, r, c, (float) apply(activation, y));
          }
        }
      }
    }
  }

  /** The mean of some columns of some rows. */
  static double mean(Tensor x, long from, long to, int first, int end) {
    double sum = 0;
    for (long r = from; r < to; r++) {
      for (int c = first; c < end; c++) {
        sum += value(x, r, c);
      }
    }
    return sum / ((to - from) * (end - first));
  }

  /** The biased variance around their mean. */
  static double variance(Tensor x, long from, long to, int first, int end, double mean) {
    double sum = 0;
    for (long r = from; r < to; r++) {
      for (int c = first; c < end; c++) {
        double d = value(x, r, c) - mean;
        sum += d * d;
      }
    }
    return sum / ((to - from) * (end - first));
  }

  static void meanOfPositions(Tensor x, Tensor out) {
    long positions = x.shape().rows() / Math.max(1, x.dim(0));
    for (int n = 0; n < x.dim(0); n++) {
      for (int c = 0; c < x.shape().cols(); c++) {
        set(out, n, c, (float) mean(x, n * positions, (n + 1) * positions, c, c + 1));
      }
    }
  }
}
