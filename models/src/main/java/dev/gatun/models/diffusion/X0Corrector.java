package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;

/** Applies a {@link X0Correction} during one run of a sampler, with the memory that takes. */
final class X0Corrector {
  private final X0Correction correction;
  private final Backend backend;

  /** Where quantiles are searched; null where there is no need. */
  private final HostCopy host;

  /**
   * @param x the images of the run
   */
  X0Corrector(X0Correction correction, Tensor x, Backend backend) {
    this.correction = correction;
    this.backend = backend;
    host = looksAtElements(correction) ? new HostCopy(backend, x) : null;
  }

  private static boolean looksAtElements(X0Correction correction) {
    return switch (correction) {
      case X0Correction.DynamicThresholding _ -> true;
      case X0Correction.Both(var first, var then) ->
          looksAtElements(first) || looksAtElements(then);
      case X0Correction.None _, X0Correction.Clamp _, X0Correction.Custom _ -> false;
    };
  }

  /** Corrects predicted images {@code [N, H, W, C]} in place; t as the network is told it. */
  void apply(Tensor x0, double t) {
    apply(correction, x0, t);
  }

  // instanceof, not a switch on patterns: this is per-step code, and those allocate at first
  private void apply(X0Correction correction, Tensor x0, double t) {
    if (correction instanceof X0Correction.Clamp clamp) {
      backend.clamp(x0, -clamp.limit(), clamp.limit(), x0);
    } else if (correction instanceof X0Correction.DynamicThresholding thresholding) {
      threshold(thresholding, x0);
    } else if (correction instanceof X0Correction.Custom custom) {
      custom.correct(x0, t);
    } else if (correction instanceof X0Correction.Both both) {
      apply(both.first(), x0, t);
      apply(both.then(), x0, t);
    }
  }

  private void threshold(X0Correction.DynamicThresholding thresholding, Tensor x0) {
    float[] values = host.of(x0);
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.abs(values[i]);
    }
    int size = values.length / x0.dim(0);
    for (int n = 0; n < x0.dim(0); n++) {
      double quantile = quantile(values, n * size, size, thresholding.quantile());
      double s = Math.max(quantile, thresholding.least());
      var image = x0.slice(n, n + 1);
      backend.clamp(image, -s, s, image);
      backend.combine(1 / s, image, 0, null, image);
    }
  }

  /**
   * A quantile of some elements of an array, which are reordered: element {@code q·(count-1)} in
   * ascending order, between two of them where that is not whole.
   */
  static double quantile(float[] values, int from, int count, double q) {
    double at = q * (count - 1);
    int whole = (int) at;
    select(values, from, from + count - 1, from + whole);
    double low = values[from + whole];
    if (at == whole) {
      return low;
    }
    // what lies behind is not smaller: the next in order is the smallest of it
    float high = Float.POSITIVE_INFINITY;
    for (int i = from + whole + 1; i < from + count; i++) {
      high = Math.min(high, values[i]);
    }
    return low + (at - whole) * (high - low);
  }

  /**
   * Brings to its place the element that has index {@code place} in ascending order, smaller ones
   * before it and larger ones behind it (C. A. R. Hoare, "Algorithm 65: FIND", 1961).
   */
  private static void select(float[] values, int low, int high, int place) {
    while (low < high) {
      float pivot = values[place];
      int i = low;
      int j = high;
      while (i <= j) {
        while (values[i] < pivot) {
          i++;
        }
        while (pivot < values[j]) {
          j--;
        }
        if (i <= j) {
          float swap = values[i];
          values[i++] = values[j];
          values[j--] = swap;
        }
      }
      if (j < place) {
        low = i;
      }
      if (place < i) {
        high = j;
      }
    }
  }
}
