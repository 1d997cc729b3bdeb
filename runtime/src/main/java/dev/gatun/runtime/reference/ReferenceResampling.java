package dev.gatun.runtime.reference;

import static dev.gatun.runtime.reference.ReferenceBackend.set;
import static dev.gatun.runtime.reference.ReferenceBackend.value;

import dev.gatun.runtime.Tensor;

/** Changes of the size of a feature map, element by element. */
final class ReferenceResampling {
  private ReferenceResampling() {}

  static void upsampleNearest(Tensor x, Tensor out) {
    for (int n = 0; n < out.dim(0); n++) {
      for (int i = 0; i < out.dim(1); i++) {
        for (int j = 0; j < out.dim(2); j++) {
          for (int c = 0; c < out.dim(3); c++) {
            set(out, position(out, n, i, j), c, value(x, position(x, n, i / 2, j / 2), c));
          }
        }
      }
    }
  }

  static void averagePool(Tensor x, Tensor out) {
    for (int n = 0; n < out.dim(0); n++) {
      for (int i = 0; i < out.dim(1); i++) {
        for (int j = 0; j < out.dim(2); j++) {
          long above = position(x, n, 2 * i, 2 * j);
          long below = position(x, n, 2 * i + 1, 2 * j);
          for (int c = 0; c < out.dim(3); c++) {
            double sum = (double) value(x, above, c) + value(x, above + 1, c);
            sum += (double) value(x, below, c) + value(x, below + 1, c);
            set(out, position(out, n, i, j), c, (float) (sum / 4));
          }
        }
      }
    }
  }

  static void resizeBilinear(Tensor x, Tensor out) {
    for (int n = 0; n < out.dim(0); n++) {
      for (int i = 0; i < out.dim(1); i++) {
        double y = source(i, x.dim(1), out.dim(1));
        int top = (int) y;
        int bottom = Math.min(top + 1, x.dim(1) - 1);
        for (int j = 0; j < out.dim(2); j++) {
          double z = source(j, x.dim(2), out.dim(2));
          int left = (int) z;
          int right = Math.min(left + 1, x.dim(2) - 1);
          for (int c = 0; c < out.dim(3); c++) {
            double above =
                mix(
                    value(x, position(x, n, top, left), c),
                    value(x, position(x, n, top, right), c),
                    z - left);
            double below =
                mix(
                    value(x, position(x, n, bottom, left), c),
                    value(x, position(x, n, bottom, right), c),
                    z - left);
            set(out, position(out, n, i, j), c, (float) mix(above, below, y - top));
          }
        }
      }
    }
  }

  /** Where along an axis the value of a position of the result is read. */
  private static double source(int to, int in, int out) {
    return Math.max(0, (to + 0.5) * in / out - 0.5);
  }

  private static double mix(double a, double b, double weight) {
    return (1 - weight) * a + weight * b;
  }

  /** Row of a position. */
  private static long position(Tensor map, long n, int i, int j) {
    return (n * map.dim(1) + i) * map.dim(2) + j;
  }
}
