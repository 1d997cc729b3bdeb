package dev.gatun.runtime.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The product of a few rows with a panel that is used only once, read from where it lies: what
 * takes time is the memory, not the arithmetic. Every element is the same chain of fused
 * multiply-adds as in {@link MicroKernel}, so a row alone has the bits that it has among others.
 */
final class StreamKernel {
  private static final VectorSpecies<Float> S = Lanes.F32;
  private static final int WIDTH = MicroKernel.WIDTH;
  private static final int STRIDE = MicroKernel.STRIDE;

  /** Rows up to which copying a panel does not pay. */
  static final int ROWS = 4;

  private StreamKernel() {}

  /**
   * {@code C = start + A·B} as {@link MicroKernel#multiply} computes it.
   *
   * @param b memory that the panel {@code [k][WIDTH]} is in
   * @param from byte offset of the panel
   * @param rows how many rows, from 1 to {@link #ROWS}
   */
  static void multiply(
      float[] a,
      int at,
      MemorySegment b,
      long from,
      int k,
      float[] start,
      int begin,
      int step,
      float[] c,
      int to,
      int rows) {
    if (rows == ROWS) {
      tile4(a, at, b, from, k, start, begin, step, c, to);
      return;
    }
    for (int r = 0; r < rows; r++) {
      tile1(a, at + r * STRIDE, b, from, k, start, begin + r * step, c, to + r * WIDTH);
    }
  }

  /** 4 rows by two vectors. */
  private static void tile4(
      float[] a,
      int at,
      MemorySegment b,
      long from,
      int k,
      float[] start,
      int begin,
      int step,
      float[] c,
      int to) {
    var c0 = FloatVector.fromArray(S, start, begin);
    var d0 = FloatVector.fromArray(S, start, begin + Lanes.COUNT);
    var c1 = FloatVector.fromArray(S, start, begin + 1 * step);
    var d1 = FloatVector.fromArray(S, start, begin + 1 * step + Lanes.COUNT);
    var c2 = FloatVector.fromArray(S, start, begin + 2 * step);
    var d2 = FloatVector.fromArray(S, start, begin + 2 * step + Lanes.COUNT);
    var c3 = FloatVector.fromArray(S, start, begin + 3 * step);
    var d3 = FloatVector.fromArray(S, start, begin + 3 * step + Lanes.COUNT);
    long offset = from;
    for (int i = at; i < at + k; i++, offset += 2L * Lanes.BYTES) {
      var p = FloatVector.fromMemorySegment(S, b, offset, Lanes.LE);
      var q = FloatVector.fromMemorySegment(S, b, offset + Lanes.BYTES, Lanes.LE);
      var x = FloatVector.broadcast(S, a[i]);
      c0 = x.fma(p, c0);
      d0 = x.fma(q, d0);
      x = FloatVector.broadcast(S, a[i + 1 * STRIDE]);
      c1 = x.fma(p, c1);
      d1 = x.fma(q, d1);
      x = FloatVector.broadcast(S, a[i + 2 * STRIDE]);
      c2 = x.fma(p, c2);
      d2 = x.fma(q, d2);
      x = FloatVector.broadcast(S, a[i + 3 * STRIDE]);
      c3 = x.fma(p, c3);
      d3 = x.fma(q, d3);
    }
    c0.intoArray(c, to);
    d0.intoArray(c, to + Lanes.COUNT);
    c1.intoArray(c, to + 1 * WIDTH);
    d1.intoArray(c, to + 1 * WIDTH + Lanes.COUNT);
    c2.intoArray(c, to + 2 * WIDTH);
    d2.intoArray(c, to + 2 * WIDTH + Lanes.COUNT);
    c3.intoArray(c, to + 3 * WIDTH);
    d3.intoArray(c, to + 3 * WIDTH + Lanes.COUNT);
  }

  /** 1 row by two vectors. */
  private static void tile1(
      float[] a,
      int at,
      MemorySegment b,
      long from,
      int k,
      float[] start,
      int begin,
      float[] c,
      int to) {
    var c0 = FloatVector.fromArray(S, start, begin);
    var d0 = FloatVector.fromArray(S, start, begin + Lanes.COUNT);
    long offset = from;
    for (int i = at; i < at + k; i++, offset += 2L * Lanes.BYTES) {
      var p = FloatVector.fromMemorySegment(S, b, offset, Lanes.LE);
      var q = FloatVector.fromMemorySegment(S, b, offset + Lanes.BYTES, Lanes.LE);
      var x = FloatVector.broadcast(S, a[i]);
      c0 = x.fma(p, c0);
      d0 = x.fma(q, d0);
    }
    c0.intoArray(c, to);
    d0.intoArray(c, to + Lanes.COUNT);
  }
}
