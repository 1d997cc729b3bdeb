package dev.gatun.runtime.random;

import java.util.Objects;

/**
 * The random numbers of PyTorch on a CPU: {@code torch.manual_seed(seed)}, then {@code torch.rand},
 * {@code randn} and {@code randint}, one call here for one call there.
 *
 * <p>Uniform numbers and integers are the same to the bit. Normal numbers agree to about 5·10⁻⁷ in
 * f32, because PyTorch's own logarithm, sine and cosine differ between machines; those of this
 * class do not.
 *
 * <p>The generator is mt19937. Held against torch 2.13.
 */
public final class TorchRandom implements RandomSource {
  private static final int BLOCK = 16;
  private static final int HALF = BLOCK / 2;
  private static final float TWO_PI_F = (float) (2 * Math.PI);
  private static final double TWO_PI = 2 * Math.PI;

  /** Ranges from here on take 64 bits for an integer. */
  private static final long WIDE_RANGE = 1L << 28;

  private final MersenneTwister bits;

  /** The second normal number of a pair drawn for a short tensor, or NaN. */
  private double spare = Double.NaN;

  private TorchRandom(MersenneTwister bits) {
    this.bits = bits;
  }

  /**
   * As after {@code torch.manual_seed(seed)}: like there, only the low 32 bits of the seed count.
   */
  public TorchRandom(long seed) {
    this(new MersenneTwister((int) seed));
  }

  /**
   * A generator of its own for every pair of a seed and an index, in which every bit counts:
   * mt19937 initialised by {@code init_by_array} with the words (seed low, seed high, index low,
   * index high). PyTorch has no counterpart.
   */
  public static TorchRandom stream(long seed, long index) {
    return new TorchRandom(
        MersenneTwister.keyed((int) seed, (int) (seed >>> 32), (int) index, (int) (index >>> 32)));
  }

  /**
   * {@code torch.rand(count)}: uniform in [0, 1), 24 bits each.
   *
   * @throws IndexOutOfBoundsException if the range is not within the array
   */
  public void uniform(float[] out, int from, int count) {
    Objects.checkFromIndexSize(from, count, out.length);
    for (int i = from; i < from + count; i++) {
      out[i] = (bits.next32() & 0xFFFFFF) * 0x1p-24f;
    }
  }

  /**
   * {@code torch.rand(count, dtype=torch.float64)}: uniform in [0, 1), 53 bits each.
   *
   * @throws IndexOutOfBoundsException if the range is not within the array
   */
  public void uniform(double[] out, int from, int count) {
    Objects.checkFromIndexSize(from, count, out.length);
    for (int i = from; i < from + count; i++) {
      out[i] = uniform();
    }
  }

  private double uniform() {
    return (bits.next64() & 0x1FFFFFFFFFFFFFL) * 0x1p-53;
  }

  /**
   * {@code torch.randint(low, high, (count,))}: integers in {@code low … high - 1}, each a draw
   * modulo the number of them.
   *
   * @throws IllegalArgumentException if {@code low >= high}
   * @throws IndexOutOfBoundsException if the range is not within the array
   */
  public void integers(long low, long high, long[] out, int from, int count) {
    if (low >= high) {
      throw new IllegalArgumentException(
          "integers: low is " + low + " and high " + high + ": high must be the greater");
    }
    Objects.checkFromIndexSize(from, count, out.length);
    long range = high - low; // unsigned: it may exceed 2⁶³ - 1
    boolean wide = Long.compareUnsigned(range, WIDE_RANGE) >= 0;
    for (int i = from; i < from + count; i++) {
      long draw = wide ? bits.next64() : bits.next32() & 0xFFFFFFFFL;
      out[i] = low + Long.remainderUnsigned(draw, range);
    }
  }

  /**
   * {@code torch.randn(count)}, by Box and Muller: blocks of 16 uniform numbers become 8 pairs;
   * fewer than 16 numbers are drawn one by one in f64, and the second of a pair waits for the next
   * such call, of either type.
   */
  @Override
  public void normal(float[] out, int from, int count) {
    Objects.checkFromIndexSize(from, count, out.length);
    if (count < BLOCK) {
      for (int i = from; i < from + count; i++) {
        out[i] = (float) normal();
      }
      return;
    }
    uniform(out, from, count);
    for (int block = from; block <= from + count - BLOCK; block += BLOCK) {
      boxMuller(out, block);
    }
    if (count % BLOCK != 0) {
      // The rest has no block of its own: the last 16 numbers are drawn afresh.
      uniform(out, from + count - BLOCK, BLOCK);
      boxMuller(out, from + count - BLOCK);
    }
  }

  private static void boxMuller(float[] data, int block) {
    for (int j = block; j < block + HALF; j++) {
      float radius = (float) Math.sqrt(-2f * (float) StrictMath.log(1 - data[j]));
      float angle = TWO_PI_F * data[j + HALF];
      data[j] = radius * (float) Turn.cos(angle);
      data[j + HALF] = radius * (float) Turn.sin(angle);
    }
  }

  /**
   * {@code torch.randn(count, dtype=torch.float64)}: as {@link #normal(float[], int, int)}, from
   * uniform numbers of 53 bits.
   *
   * @throws IndexOutOfBoundsException if the range is not within the array
   */
  public void normal(double[] out, int from, int count) {
    Objects.checkFromIndexSize(from, count, out.length);
    if (count < BLOCK) {
      for (int i = from; i < from + count; i++) {
        out[i] = normal();
      }
      return;
    }
    uniform(out, from, count);
    for (int block = from; block <= from + count - BLOCK; block += BLOCK) {
      boxMuller(out, block);
    }
    if (count % BLOCK != 0) {
      uniform(out, from + count - BLOCK, BLOCK);
      boxMuller(out, from + count - BLOCK);
    }
  }

  private static void boxMuller(double[] data, int block) {
    for (int j = block; j < block + HALF; j++) {
      double radius = Math.sqrt(-2 * StrictMath.log(1 - data[j]));
      double angle = TWO_PI * data[j + HALF];
      data[j] = radius * Turn.cos(angle);
      data[j + HALF] = radius * Turn.sin(angle);
    }
  }

  /** One number of a short tensor. */
  private double normal() {
    if (!Double.isNaN(spare)) {
      double value = spare;
      spare = Double.NaN;
      return value;
    }
    double angle = TWO_PI * uniform();
    double radius = Math.sqrt(-2 * StrictMath.log1p(-uniform()));
    spare = radius * Turn.sin(angle);
    return radius * Turn.cos(angle);
  }
}
