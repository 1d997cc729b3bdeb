package dev.gatun.runtime.cpu;

import java.lang.invoke.VarHandle;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The register-tiled inner product that every matrix multiplication runs on: {@code C += A·B} for a
 * tile of a few rows of A by two vectors of B, with all sums in registers.
 *
 * <pre>
 *   A  float[], rows STRIDE apart       B  float[], panel [k][WIDTH]        C  float[], rows WIDTH apart
 *      ┌──── k ────┐                       ┌─ 2 vectors ─┐                      ┌─ 2 vectors ─┐
 *   12 │           │                     k │             │                   12 │             │
 *      └───────────┘                       └─────────────┘                      └─────────────┘
 * </pre>
 *
 * <p>Twelve rows by two vectors are 24 sums of the 32 registers of AVX-512; six by two are 12 of
 * the 16 of AVX2. The stride of A is a constant, so the twelve broadcasts need one index register
 * and a displacement each, and packing A is copying rows. All operands are arrays: the checks of
 * arrays are done before the loop, while those of segments remain in it and cost a quarter of the
 * time of six rows, more than copying a panel before many tiles pass over it. For twelve rows it is
 * the other way round, and {@link StreamKernel} reads weights from where they lie.
 *
 * <p>Where machine code may be assembled, {@link FloatTiles} takes its place, on the same operands.
 *
 * <p>Every element is one chain of fused multiply-adds in rising k, whatever tile it is part of; so
 * its bits depend neither on the number of rows nor on the vector width.
 */
final class MicroKernel {
  private static final VectorSpecies<Float> S = Lanes.F32;

  /** Columns of a panel of B and of a tile of C. */
  static final int WIDTH = 2 * Lanes.COUNT;

  /**
   * Longest k of one call. A panel of B then stays in the first-level cache with AVX2; with AVX-512
   * it need not, since the second one is large and fast enough. A multiple of what {@link
   * FlashAttention} takes at a time.
   */
  static final int DEPTH = Lanes.BYTES == 64 ? 1152 : 384;

  /**
   * Distance between the rows of A: not a power of two, lest the rows fall on the same cache sets.
   */
  static final int STRIDE = DEPTH + 16;

  /** Rows of the largest tile. */
  static final int ROWS = Lanes.BYTES == 64 ? 12 : 6;

  /** Whether the largest tile is not to be used; see {@link TileCheck}. */
  private static boolean fourRows;

  private MicroKernel() {}

  /** Has tiles of four rows do the work of the largest one, or not any longer. */
  static void useFourRows(boolean use) {
    fourRows = use;
  }

  static boolean usesFourRows() {
    return fourRows;
  }

  /**
   * {@code C = start + A·B} for up to {@link #ROWS} rows.
   *
   * @param a rows of A, {@link #STRIDE} apart
   * @param at index of the first element of A
   * @param b panel of B, {@code [k][WIDTH]}
   * @param from index of the first element of the panel
   * @param k length of the products, up to {@link #DEPTH}
   * @param start where the sums begin: a row for all of them, such as a bias, or C itself to go on
   * @param begin index of the first element of it
   * @param step distance between its rows: 0 for one row, else {@link #WIDTH}
   * @param c tile of C, rows {@link #WIDTH} apart
   * @param to index of the first element of C
   * @param rows how many rows, at least 1
   */
  static void multiply(
      float[] a,
      int at,
      float[] b,
      int from,
      int k,
      float[] start,
      int begin,
      int step,
      float[] c,
      int to,
      int rows) {
    if (ROWS == 12 && rows == 12 && !fourRows) {
      tile12(a, at, b, from, k, start, begin, step, c, to);
    } else {
      multiplyFew(a, at, b, from, k, start, begin, step, c, to, rows);
    }
  }

  private static void multiplyFew(
      float[] a,
      int at,
      float[] b,
      int from,
      int k,
      float[] start,
      int begin,
      int step,
      float[] c,
      int to,
      int rows) {
    if (ROWS == 6 && rows == 6 && !fourRows) {
      tile6(a, at, b, from, k, start, begin, step, c, to);
      return;
    }
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
      tile4(a, at + r * STRIDE, b, from, k, start, begin + r * step, step, c, to + r * WIDTH);
    }
    if (r + 2 <= rows) {
      tile2(a, at + r * STRIDE, b, from, k, start, begin + r * step, step, c, to + r * WIDTH);
      r += 2;
    }
    if (r < rows) {
      tile1(a, at + r * STRIDE, b, from, k, start, begin + r * step, step, c, to + r * WIDTH);
    }
  }

  /** 12 rows by two vectors. */
  private static void tile12(
      float[] a,
      int at,
      float[] b,
      int from,
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
      int j = from + i * WIDTH;
      var p = FloatVector.fromArray(S, b, j);
      var q = FloatVector.fromArray(S, b, j + Lanes.COUNT);
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

  /**
   * 6 rows by two vectors. With 12 sums there is room for one broadcast, but the compiler's
   * scheduler moves all loads of the loop to its top: six broadcasts are then alive at once, a sum
   * is spilled, and its way through memory makes the kernel two and a half times slower. A fence
   * between the loads, which is no instruction on x86, keeps them where they are needed.
   */
  private static void tile6(
      float[] a,
      int at,
      float[] b,
      int from,
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
    for (int i = 0; i < k; i++) {
      int j = from + i * WIDTH;
      var p = FloatVector.fromArray(S, b, j);
      var q = FloatVector.fromArray(S, b, j + Lanes.COUNT);
      var x = FloatVector.broadcast(S, a[at + i]);
      c0 = x.fma(p, c0);
      d0 = x.fma(q, d0);
      VarHandle.loadLoadFence();
      x = FloatVector.broadcast(S, a[at + i + 1 * STRIDE]);
      c1 = x.fma(p, c1);
      d1 = x.fma(q, d1);
      VarHandle.loadLoadFence();
      x = FloatVector.broadcast(S, a[at + i + 2 * STRIDE]);
      c2 = x.fma(p, c2);
      d2 = x.fma(q, d2);
      VarHandle.loadLoadFence();
      x = FloatVector.broadcast(S, a[at + i + 3 * STRIDE]);
      c3 = x.fma(p, c3);
      d3 = x.fma(q, d3);
      VarHandle.loadLoadFence();
      x = FloatVector.broadcast(S, a[at + i + 4 * STRIDE]);
      c4 = x.fma(p, c4);
      d4 = x.fma(q, d4);
      VarHandle.loadLoadFence();
      x = FloatVector.broadcast(S, a[at + i + 5 * STRIDE]);
      c5 = x.fma(p, c5);
      d5 = x.fma(q, d5);
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
  }

  /** 4 rows by two vectors. */
  private static void tile4(
      float[] a,
      int at,
      float[] b,
      int from,
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
    for (int i = 0; i < k; i++) {
      int j = from + i * WIDTH;
      var p = FloatVector.fromArray(S, b, j);
      var q = FloatVector.fromArray(S, b, j + Lanes.COUNT);
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
      float[] b,
      int from,
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
      int j = from + i * WIDTH;
      var p = FloatVector.fromArray(S, b, j);
      var q = FloatVector.fromArray(S, b, j + Lanes.COUNT);
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
      float[] b,
      int from,
      int k,
      float[] start,
      int begin,
      int step,
      float[] c,
      int to) {
    var c0 = FloatVector.fromArray(S, start, begin);
    var d0 = FloatVector.fromArray(S, start, begin + Lanes.COUNT);
    for (int i = 0; i < k; i++) {
      int j = from + i * WIDTH;
      var p = FloatVector.fromArray(S, b, j);
      var q = FloatVector.fromArray(S, b, j + Lanes.COUNT);
      var x = FloatVector.broadcast(S, a[at + i]);
      c0 = x.fma(p, c0);
      d0 = x.fma(q, d0);
    }
    c0.intoArray(c, to);
    d0.intoArray(c, to + Lanes.COUNT);
  }
}
