package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The gradient of group normalisation with modulation and activation. A worker takes some
 * neighbouring groups of a sample, as wide as a cache line or more, and passes over their columns
 * twice: for the gradient g of the normalised values, which is kept in the result, and its means;
 * and for the result itself.
 *
 * <p>Chunks of rows are brought together without gaps, so the pointwise parts are long loops with
 * the factors of the columns repeated row by row. Sums are taken for each column by itself, in f32
 * within a chunk and in double beyond; so the bits of a group depend neither on its neighbours nor
 * on the threads.
 */
final class GroupNormGradient implements ThreadTeam.Work {
  /** Floats of a chunk, or one row if that is more. */
  private static final int CHUNK = 2048;

  /** The least columns that a worker reads of a row: a cache line. */
  private static final int LINE = 16;

  /** The buffers of one worker. */
  private static final class Buffers {
    float[] x = new float[0];
    float[] y = new float[0];
    float[] g = new float[0];
    float[] t = new float[0];
    float[] factors = new float[0];
    float[] offsets = new float[0];
    float[] partial = new float[0];
    float[] mean = new float[0];
    float[] inverse = new float[0];
    float[] meanOfG = new float[0];
    float[] meanOfProduct = new float[0];
    double[] sums = new double[0];
    double[] products = new double[0];

    void grow(int chunk, int width) {
      int room = chunk + Lanes.COUNT; // the last vector is computed whole
      if (x.length < room) {
        x = new float[room];
        y = new float[room];
        g = new float[room];
        t = new float[room];
        factors = new float[room];
        offsets = new float[room];
      }
      if (sums.length < width) {
        partial = new float[width];
        mean = new float[width];
        inverse = new float[width];
        meanOfG = new float[width];
        meanOfProduct = new float[width];
        sums = new double[width];
        products = new double[width];
      }
    }
  }

  private final ThreadTeam team;
  private final GroupStatistics statistics;
  private final Buffers[] buffers;

  // The call that is running.
  private Tensor x;
  private Tensor gamma;
  private Tensor beta;
  private Tensor shift;
  private Tensor scale;
  private Tensor dy;
  private Tensor dx;
  private float eps;
  private Activation activation;
  private int size; // columns of a group
  private int positions; // rows of a sample
  private int unit; // columns of a unit of work, at the most
  private int units; // of a sample

  GroupNormGradient(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    statistics = new GroupStatistics(team, scratch);
    buffers = new Buffers[team.size()];
    for (int i = 0; i < buffers.length; i++) {
      buffers[i] = new Buffers();
    }
  }

  void gradient(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor dy,
      Tensor dx) {
    if (x.shape().size() == 0) {
      return;
    }
    this.x = x;
    this.gamma = gamma;
    this.beta = beta;
    this.shift = shift;
    this.scale = scale;
    this.dy = dy;
    this.dx = dx;
    this.eps = eps;
    this.activation = activation;
    size = x.shape().cols() / groups;
    positions = Math.toIntExact(x.shape().rows() / x.dim(0));
    unit = Math.ceilDiv(LINE, size) * size;
    units = Math.ceilDiv(x.shape().cols(), unit);
    statistics.compute(x, groups);
    team.run(this);
  }

  @Override
  public void run(int worker, int workers) {
    int all = Math.multiplyExact(x.dim(0), units);
    int end = ThreadTeam.begin(all, worker + 1, workers);
    for (int i = ThreadTeam.begin(all, worker, workers); i < end; i++) {
      int column = i % units * unit;
      groups(i / units, column, Math.min(unit, x.shape().cols() - column), buffers[worker]);
    }
  }

  /** The groups in some columns of a sample. */
  private void groups(int n, int column, int width, Buffers b) {
    int rows = Math.min(positions, Math.max(1, CHUNK / width));
    b.grow(rows * width, width);
    long first = (long) n * positions;
    statistics(n, column, width, b);
    modulation(n, column, width, rows, b);
    Arrays.fill(b.sums, 0, width, 0);
    Arrays.fill(b.products, 0, width, 0);
    for (int r = 0; r < positions; r += rows) {
      int count = Math.min(rows, positions - r);
      load(x, first + r, column, count, width, b.x);
      load(dy, first + r, column, count, width, b.g);
      normalise(b.x, count, width, b.mean, b.inverse);
      System.arraycopy(b.x, 0, b.y, 0, count * width);
      Pointwise.multiplyAdd(b.y, b.factors, b.offsets, count * width);
      Slopes.slope(activation, b.y, count * width, b.t);
      Pointwise.multiply(b.g, b.y, count * width);
      Pointwise.multiply(b.g, b.factors, count * width);
      store(b.g, first + r, column, count, width);
      addColumns(b.g, count, width, b.partial, b.sums);
      Pointwise.multiply(b.g, b.x, count * width);
      addColumns(b.g, count, width, b.partial, b.products);
    }
    means(b.sums, width, b.meanOfG);
    means(b.products, width, b.meanOfProduct);
    for (int r = 0; r < positions; r += rows) {
      int count = Math.min(rows, positions - r);
      load(x, first + r, column, count, width, b.x);
      load(dx, first + r, column, count, width, b.g);
      normalise(b.x, count, width, b.mean, b.inverse);
      finish(b, count, width);
      store(b.g, first + r, column, count, width);
    }
  }

  /** Mean and inverse deviation of each column's group. */
  private void statistics(int n, int column, int width, Buffers b) {
    for (int c = 0; c < width; c++) {
      int group = (column + c) / size;
      b.mean[c] = (float) statistics.mean(n, group);
      b.inverse[c] = (float) (1 / Math.sqrt(statistics.variance(n, group) + eps));
    }
  }

  /** What a normalised value is multiplied by and what is added, repeated for all rows. */
  private void modulation(int n, int column, int width, int rows, Buffers b) {
    for (int c = 0; c < width; c++) {
      float factor = value(gamma, 0, column + c);
      float offset = value(beta, 0, column + c);
      if (scale != null) {
        float by = 1 + value(scale, n, column + c);
        factor *= by;
        offset = offset * by + value(shift, n, column + c);
      }
      for (int r = 0; r < rows; r++) {
        b.factors[r * width + c] = factor;
        b.offsets[r * width + c] = offset;
      }
    }
  }

  private static float value(Tensor tensor, int row, int column) {
    long element = (long) row * tensor.rowStride() + column;
    return tensor.segment().get(Tensor.FLOAT, element * Float.BYTES);
  }

  private static void addColumns(float[] x, int rows, int width, float[] partial, double[] sums) {
    Arrays.fill(partial, 0, width, 0f);
    for (int at = 0; at < rows * width; at += width) {
      for (int c = 0; c < width; c++) {
        partial[c] += x[at + c];
      }
    }
    for (int c = 0; c < width; c++) {
      sums[c] += partial[c];
    }
  }

  /** From the sums of the columns to the mean of each column's group. */
  private void means(double[] sums, int width, float[] means) {
    for (int first = 0; first < width; first += size) {
      double sum = 0;
      for (int c = first; c < first + size; c++) {
        sum += sums[c];
      }
      Arrays.fill(means, first, first + size, (float) (sum / ((double) positions * size)));
    }
  }

  private static void normalise(float[] x, int rows, int width, float[] mean, float[] inverse) {
    for (int at = 0; at < rows * width; at += width) {
      for (int c = 0; c < width; c++) {
        x[at + c] = (x[at + c] - mean[c]) * inverse[c];
      }
    }
  }

  /** {@code g = (g − mean(g) − x̂·mean(g·x̂))/σ}. */
  private static void finish(Buffers b, int rows, int width) {
    float[] x = b.x;
    float[] g = b.g;
    for (int at = 0; at < rows * width; at += width) {
      for (int c = 0; c < width; c++) {
        g[at + c] = (g[at + c] - b.meanOfG[c] - x[at + c] * b.meanOfProduct[c]) * b.inverse[c];
      }
    }
  }

  private static void load(Tensor from, long row, int column, int rows, int width, float[] to) {
    var memory = from.segment();
    long at = (row * from.rowStride() + column) * Float.BYTES;
    for (int r = 0; r < rows; r++, at += (long) from.rowStride() * Float.BYTES) {
      Gemm.copyRun(memory, at, to, r * width, width);
    }
  }

  private void store(float[] from, long row, int column, int rows, int width) {
    var memory = dx.segment();
    long at = (row * dx.rowStride() + column) * Float.BYTES;
    for (int r = 0; r < rows; r++, at += (long) dx.rowStride() * Float.BYTES) {
      MemorySegment.copy(from, r * width, memory, Tensor.FLOAT, at, width);
    }
  }
}
