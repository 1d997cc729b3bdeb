package dev.gatun.models.layers;

/**
 * Position embeddings of a square grid of tokens, brought to a grid of another size: how a network
 * is run on pictures of a size that it was not trained for.
 *
 * <p>The table is resized like a picture whose channels are the embedding: bicubic convolution with
 * a = −¾ and replicated borders, no antialiasing, as {@code torch.nn.functional.interpolate} does
 * with {@code mode="bicubic", align_corners=False} (Keys, "Cubic convolution interpolation for
 * digital image processing", 1981). A grid of the same size keeps its very numbers.
 */
public final class PositionInterpolation {
  private static final double A = -0.75;

  /** How many neighbours along an axis a result is made of. */
  private static final int TAPS = 4;

  private PositionInterpolation() {}

  /**
   * {@code [from·from, width] → [to·to, width]}, tokens in row-major order. Along each axis {@code
   * src = (dst + ½)·(from/to) − ½}.
   *
   * @param table the embeddings of the grid with {@code from} rows and columns
   * @return the embeddings of the grid with {@code to} rows and columns
   * @throws IllegalArgumentException if the table has another size
   */
  public static float[] table(float[] table, int from, int to, int width) {
    if (from < 1 || to < 1 || width < 1 || table.length != (long) from * from * width) {
      throw new IllegalArgumentException(
          "a table of "
              + table.length
              + " numbers does not hold positions ["
              + from
              + "·"
              + from
              + ", "
              + width
              + "], or there is no grid of "
              + to);
    }
    if (from == to) {
      return table.clone();
    }
    double[] weights = weights(from, to);
    int[] sources = sources(from, to);
    float[] result = new float[Math.multiplyExact(Math.multiplyExact(to, to), width)];
    for (int row = 0; row < to; row++) {
      for (int column = 0; column < to; column++) {
        for (int c = 0; c < width; c++) {
          double sum = 0;
          for (int i = TAPS * row; i < TAPS * (row + 1); i++) {
            double across = 0;
            for (int j = TAPS * column; j < TAPS * (column + 1); j++) {
              across += weights[j] * table[(sources[i] * from + sources[j]) * width + c];
            }
            sum += weights[i] * across;
          }
          result[(row * to + column) * width + c] = (float) sum;
        }
      }
    }
    return result;
  }

  private static double source(int dst, int from, int to) {
    return (dst + 0.5) * from / to - 0.5;
  }

  /** For each result along an axis, the neighbours that it is made of, those outside replaced. */
  private static int[] sources(int from, int to) {
    int[] sources = new int[TAPS * to];
    for (int i = 0; i < sources.length; i++) {
      int first = (int) Math.floor(source(i / TAPS, from, to)) - 1;
      sources[i] = Math.clamp(first + i % TAPS, 0, from - 1);
    }
    return sources;
  }

  /** For each result along an axis, the weights of its neighbours; they sum to 1. */
  private static double[] weights(int from, int to) {
    double[] weights = new double[TAPS * to];
    for (int dst = 0; dst < to; dst++) {
      double src = source(dst, from, to);
      double t = src - Math.floor(src);
      weights[TAPS * dst] = outer(1 + t);
      weights[TAPS * dst + 1] = inner(t);
      weights[TAPS * dst + 2] = inner(1 - t);
      weights[TAPS * dst + 3] = outer(2 - t);
    }
    return weights;
  }

  /** The kernel at a distance of at most 1. */
  private static double inner(double x) {
    return ((A + 2) * x - (A + 3)) * x * x + 1;
  }

  /** The kernel at a distance from 1 to 2. */
  private static double outer(double x) {
    return A * (((x - 5) * x + 8) * x - 4);
  }
}
