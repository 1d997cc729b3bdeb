package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * What goes before and after a product of bytes in vectors of 256 bits, on the Vector API. {@link
 * ByteRows} makes the same bytes in machine code of AVX-512, and {@link BrainEpilogue} the same of
 * the sums, but for the last bits of activations.
 */
final class ByteLanes {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_256;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_256;
  private static final int COUNT = F.length();

  /** Inputs 0, 2, 1, 3 of four, see {@link ByteVectors}. */
  private static final VectorShuffle<Integer> EVEN_FIRST =
      VectorShuffle.fromValues(I, 0, 2, 1, 3, 4, 6, 5, 7);

  private static final int MAGNITUDE = 0x7FFFFFFF;
  private static final int INFINITY = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);

  /** Four bytes; without alignment, which would be checked each time. */
  private static final ValueLayout.OfInt FOUR = ValueLayout.JAVA_INT_UNALIGNED;

  private static final int WIDTH = MicroKernel.WIDTH;
  private static final int TILE = 16;

  private final TileEpilogue epilogue = new TileEpilogue();
  private MemorySegment columnScales;
  private MemorySegment bias;
  private int columns;

  /** Whether the JVM computes with such vectors, not with an object for each. */
  static boolean areFast() {
    return FloatVector.SPECIES_PREFERRED.vectorBitSize() >= F.vectorBitSize();
  }

  /**
   * Copies a row of floats, and zeros behind them.
   *
   * @param element where it begins
   * @param length of the copy
   */
  static void copy(MemorySegment from, long element, int count, float[] x, int length) {
    if (count > 0) {
      MemorySegment.copy(from, Tensor.FLOAT, element * Float.BYTES, x, 0, count);
    }
    Arrays.fill(x, count, length, 0f);
  }

  /**
   * Quantises a row to bytes.
   *
   * @param count of numbers, those of whole blocks
   * @param offset what is added to each byte, wrapping around
   * @param to where the bytes go, from {@code at} on
   * @return the scale
   */
  static float bytes(float[] x, int count, int offset, MemorySegment to, long at) {
    int bits = magnitude(x, count);
    float inverse = inverse(bits);
    for (int i = 0; i < count; i += COUNT) {
      // rounded to nearest even, in the low bits of a float
      var v = FloatVector.fromArray(F, x, i).mul(inverse).add(Exponential.ROUND);
      var bytes = v.reinterpretAsInts().add(offset);
      ((ByteVector) bytes.convertShape(VectorOperators.I2B, ByteVector.SPECIES_64, 0))
          .intoMemorySegment(to, at + i, Lanes.LE);
    }
    return scale(bits);
  }

  /** Quantises a row to shorts of the same numbers, in the order of {@link ByteVectors}. */
  static float shorts(float[] x, int count, MemorySegment to, long at) {
    int bits = magnitude(x, count);
    float inverse = inverse(bits);
    for (int i = 0; i < count; i += COUNT) {
      var v = FloatVector.fromArray(F, x, i).mul(inverse).add(Exponential.ROUND);
      var ordered = v.reinterpretAsInts().rearrange(EVEN_FIRST);
      ((ShortVector) ordered.convertShape(VectorOperators.I2S, ShortVector.SPECIES_128, 0))
          .intoMemorySegment(to, at + (long) i * Short.BYTES, Lanes.LE);
    }
    return scale(bits);
  }

  /** The bits of the largest magnitude; as ints, NaN is the greatest. */
  private static int magnitude(float[] x, int count) {
    var most = IntVector.zero(I);
    for (int i = 0; i < count; i += COUNT) {
      most = most.max(FloatVector.fromArray(F, x, i).reinterpretAsInts().and(MAGNITUDE));
    }
    return most.reduceLanes(VectorOperators.MAX);
  }

  private static float most(int bits) {
    return Math.max(Float.intBitsToFloat(bits), ByteRows.LEAST);
  }

  private static float inverse(int bits) {
    return ByteRows.MOST / most(bits);
  }

  private static float scale(int bits) {
    return bits < INFINITY ? most(bits) / ByteRows.MOST : Float.NaN;
  }

  /**
   * Makes the tiles of a panel from rows of bytes, {@code [32][blocks][16][4] →
   * [blocks][2][16][16][4]}, as {@link BrainRows#transpose} does.
   */
  static void transpose(MemorySegment rows, MemorySegment to, long at, int blocks) {
    for (int n = 0; n < ByteWeight.WIDTH; n++) {
      for (int block = 0; block < blocks; block++) {
        long from = ((long) n * blocks + block) * ByteWeight.DEPTH;
        long row = (block * 2L + n / TILE) * TILE;
        long target = at + (row * TILE + n % TILE) * Integer.BYTES;
        for (int four = 0; four < TILE; four++) {
          int value = rows.get(FOUR, from + (long) four * Integer.BYTES);
          to.set(FOUR, target + (long) four * TILE * Integer.BYTES, value);
        }
      }
    }
  }

  /**
   * What follows the product.
   *
   * @param columnScales a scale for each column of whole panels
   * @param bias a number for each column of whole panels
   */
  void set(
      Tensor columnScales,
      MemorySegment bias,
      Activation activation,
      Tensor gate,
      Tensor residual,
      Tensor out) {
    this.columnScales = columnScales.segment();
    this.bias = bias;
    columns = out.shape().cols();
    epilogue.set(activation, gate, residual, out, columns);
  }

  /**
   * Makes floats of the sums of a panel and stores what becomes of them.
   *
   * @param sums rows of {@link ByteWeight#WIDTH} ints, from a byte on
   * @param rowScales of all rows
   * @param column of the result where the panel begins
   */
  void store(
      Scratch scratch,
      MemorySegment sums,
      long at,
      MemorySegment rowScales,
      int row,
      int count,
      int column) {
    float[] c = scratch.floats(1, count * WIDTH);
    float[] t = scratch.floats(2, count * WIDTH);
    int end = Math.min(ByteWeight.WIDTH, columns - column);
    for (int first = 0; first < end; first += WIDTH) {
      for (int lane = 0; lane < WIDTH; lane += COUNT) {
        scale(sums, at, rowScales, row, count, column, first + lane, c, lane);
      }
      epilogue.activate(c, 0, count, t);
      epilogue.store(c, 0, WIDTH, count, row, column + first);
    }
  }

  /** {@code sum·(scale of the row · scale of the column) + bias}. */
  private void scale(
      MemorySegment sums,
      long at,
      MemorySegment rowScales,
      int row,
      int count,
      int column,
      int lane,
      float[] c,
      int to) {
    long place = (long) (column + lane) * Float.BYTES;
    var scales = FloatVector.fromMemorySegment(F, columnScales, place, Lanes.LE);
    var plus = FloatVector.fromMemorySegment(F, bias, place, Lanes.LE);
    long from = at + (long) lane * Integer.BYTES;
    for (int r = 0; r < count; r++) {
      var ints = IntVector.fromMemorySegment(I, sums, from, Lanes.LE);
      float scale = rowScales.getAtIndex(Tensor.FLOAT, row + r);
      var floats = (FloatVector) ints.convert(VectorOperators.I2F, 0);
      floats.fma(scales.mul(scale), plus).intoArray(c, r * WIDTH + to);
      from += (long) ByteWeight.WIDTH * Integer.BYTES;
    }
  }
}
