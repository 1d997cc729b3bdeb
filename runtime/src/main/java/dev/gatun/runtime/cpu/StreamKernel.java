package dev.gatun.runtime.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The product of rows with a panel that is read from where it lies. Up to four rows need a panel
 * once, and what takes time is the memory, not the arithmetic. With AVX-512 it serves all rows:
 * between 24 products of a step there is room for the checks of a segment, which remain in the
 * loop, and a copy of the panel would cost a tenth of the time of some hundred rows. With AVX2
 * there is none; see {@link MicroKernel}. Every element is the same chain of fused multiply-adds as
 * there, so a row alone has the bits that it has among others.
 */
final class StreamKernel {
  private static final VectorSpecies<Float> S = Lanes.F32;
  private static final int WIDTH = MicroKernel.WIDTH;
  private static final int STRIDE = MicroKernel.STRIDE;

  /** Rows of the largest tile. */
  static final int ROWS = Lanes.BYTES == 64 ? 12 : 4;

  /** Whether copying a panel does not pay for so many rows. */
  static boolean pays(int rows) {
    return ROWS == MicroKernel.ROWS || rows <= ROWS;
  }

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
    if (ROWS == 12 && rows == 12 && !MicroKernel.usesFourRows()) {
      tile12(a, at, b, from, k, start, begin, step, c, to);
    } else {
      multiplyFew(a, at, b, from, k, start, begin, step, c, to, rows);
    }
  }

  private static void multiplyFew(
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
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
      tile4(a, at + r * STRIDE, b, from, k, start, begin + r * step, step, c, to + r * WIDTH);
    }
    if (r + 2 <= rows) {
      tile2(a, at + r * STRIDE, b, from, k, start, begin + r * step, step, c, to + r * WIDTH);
      r += 2;
    }
    if (r < rows) {
      tile1(a, at + r * STRIDE, b, from, k, start, begin + r * step, c, to + r * WIDTH);
    }
  }

  /** 12 rows by two vectors. */
  private static void tile12(
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
    var c4 = FloatVector.fromArray(S, start, begin + 4 * step);
    var d4 = FloatVector.fromArray(S, start, begin + 4 * step + Lanes.COUNT);
    var c5 = FloatVector.fromArray(S, start, begin + 5 * step);
    var d5 = FloatVector.fromArray(S, start, begin + 5 * step + Lanes.COUNT);
    var c6 = FloatVector.fromArray(S, start, begin + 6 * step);
    var d6 = FloatVector.fromArray(S, start, begin + 6 * step + Lanes.COUNT);
    var c7 = FloatVector.fromArray(S, start, begin + 7 * step);
    var d7 = FloatVector.fromArray(S, start, begin + 7 * step + Lanes.COUNT);
    var c8 = FloatVector.fromArray(S, start, begin + 8 * step);
    var d8 = FloatVector.fromArray(S, start, begin + 8 * step + Lanes.COUNT);
    var c9 = FloatVector.fromArray(S, start, begin + 9 * step);
    var d9 = FloatVector.fromArray(S, start, begin + 9 * step + Lanes.COUNT);
    var c10 = FloatVector.fromArray(S, start, begin + 10 * step);
    var d10 = FloatVector.fromArray(S, start, begin + 10 * step + Lanes.COUNT);
    var c11 = FloatVector.fromArray(S, start, begin + 11 * step);
    var d11 = FloatVector.fromArray(S, start, begin + 11 * step + Lanes.COUNT);
    for (int i = 0; i < k; i++) {
      long j = from + i * (2L * Lanes.BYTES);
      var p = FloatVector.fromMemorySegment(S, b, j, Lanes.LE);
      var q = FloatVector.fromMemorySegment(S, b, j + Lanes.BYTES, Lanes.LE);
      var x = FloatVector.broadcast(S, a[at + i]);
      c0 = x.fma(p, c0);
      d0 = x.fma(q, d0);
      x = FloatVector.broadcast(S, a[at + i + 1 * STRIDE]);
      c1 = x.fma(p, c1);
      d1 = x.fma(q, d1);
      x = FloatVector.broadcast(S, a[at + i + 2 * STRIDE]);
      c2 = x.fma(p, c2);
      d2 = x.fma(q, d2);
      x = FloatVector.broadcast(S, a[at + i + 3 * STRIDE]);
      c3 = x.fma(p, c3);
      d3 = x.fma(q, d3);
      x = FloatVector.broadcast(S, a[at + i + 4 * STRIDE]);
      c4 = x.fma(p, c4);
      d4 = x.fma(q, d4);
      x = FloatVector.broadcast(S, a[at + i + 5 * STRIDE]);
      c5 = x.fma(p, c5);
      d5 = x.fma(q, d5);
      x = FloatVector.broadcast(S, a[at + i + 6 * STRIDE]);
      c6 = x.fma(p, c6);
      d6 = x.fma(q, d6);
      x = FloatVector.broadcast(S, a[at + i + 7 * STRIDE]);
      c7 = x.fma(p, c7);
      d7 = x.fma(q, d7);
      x = FloatVector.broadcast(S, a[at + i + 8 * STRIDE]);
      c8 = x.fma(p, c8);
      d8 = x.fma(q, d8);
      x = FloatVector.broadcast(S, a[at + i + 9 * STRIDE]);
      c9 = x.fma(p, c9);
      d9 = x.fma(q, d9);
      x = FloatVector.broadcast(S, a[at + i + 10 * STRIDE]);
      c10 = x.fma(p, c10);
      d10 = x.fma(q, d10);
      x = FloatVector.broadcast(S, a[at + i + 11 * STRIDE]);
      c11 = x.fma(p, c11);
      d11 = x.fma(q, d11);
    }
    c0.intoArray(c, to);
    d0.intoArray(c, to + Lanes.COUNT);
    c1.intoArray(c, to + 1 * WIDTH);
    d1.intoArray(c, to + 1 * WIDTH + Lanes.COUNT);
    c2.intoArray(c, to + 2 * WIDTH);
    d2.intoArray(c, to + 2 * WIDTH + Lanes.COUNT);
    c3.intoArray(c, to + 3 * WIDTH);
    d3.intoArray(c, to + 3 * WIDTH + Lanes.COUNT);
    c4.intoArray(c, to + 4 * WIDTH);
    d4.intoArray(c, to + 4 * WIDTH + Lanes.COUNT);
    c5.intoArray(c, to + 5 * WIDTH);
    d5.intoArray(c, to + 5 * WIDTH + Lanes.COUNT);
    c6.intoArray(c, to + 6 * WIDTH);
    d6.intoArray(c, to + 6 * WIDTH + Lanes.COUNT);
    c7.intoArray(c, to + 7 * WIDTH);
    d7.intoArray(c, to + 7 * WIDTH + Lanes.COUNT);
    c8.intoArray(c, to + 8 * WIDTH);
    d8.intoArray(c, to + 8 * WIDTH + Lanes.COUNT);
    c9.intoArray(c, to + 9 * WIDTH);
    d9.intoArray(c, to + 9 * WIDTH + Lanes.COUNT);
    c10.intoArray(c, to + 10 * WIDTH);
    d10.intoArray(c, to + 10 * WIDTH + Lanes.COUNT);
    c11.intoArray(c, to + 11 * WIDTH);
    d11.intoArray(c, to + 11 * WIDTH + Lanes.COUNT);
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

  /** 2 rows by two vectors. */
  private static void tile2(
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
    for (int i = 0; i < k; i++) {
      long j = from + i * (2L * Lanes.BYTES);
      var p = FloatVector.fromMemorySegment(S, b, j, Lanes.LE);
      var q = FloatVector.fromMemorySegment(S, b, j + Lanes.BYTES, Lanes.LE);
      var x = FloatVector.broadcast(S, a[at + i]);
      c0 = x.fma(p, c0);
      d0 = x.fma(q, d0);
      x = FloatVector.broadcast(S, a[at + i + 1 * STRIDE]);
      c1 = x.fma(p, c1);
      d1 = x.fma(q, d1);
    }
    c0.intoArray(c, to);
    d0.intoArray(c, to + Lanes.COUNT);
    c1.intoArray(c, to + 1 * WIDTH);
    d1.intoArray(c, to + 1 * WIDTH + Lanes.COUNT);
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
