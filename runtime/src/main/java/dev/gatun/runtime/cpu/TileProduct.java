package dev.gatun.runtime.cpu;

/**
 * The product of any number of rows with a panel: in machine code where that may be used, else tile
 * by tile on the Vector API, with the same bits.
 */
final class TileProduct {
  private TileProduct() {}

  /**
   * {@code C = start + A·B}, see {@link MicroKernel#multiply}.
   *
   * @param at index of the first element of A
   * @param advance from a tile of A to the next
   * @param from index of the first element of the panel of B
   * @param begin index of the first element of start
   * @param step distance between its rows: 0 for one row, else {@link MicroKernel#WIDTH}
   * @param to index of the first element of C
   */
  static void multiply(
      Floats a,
      int at,
      int advance,
      Floats b,
      int from,
      int k,
      Floats start,
      int begin,
      int step,
      Floats c,
      int to,
      int rows) {
    int together = FloatTiles.USED ? FloatTiles.CHUNK : MicroKernel.ROWS;
    int tiles = together / MicroKernel.ROWS;
    for (int r = 0; r < rows; r += together) {
      int height = Math.min(together, rows - r);
      if (FloatTiles.USED) {
        FloatTiles.multiply(
            a.segment(),
            at,
            advance,
            b.segment(),
            (long) from * Float.BYTES,
            k,
            start.segment(),
            begin,
            step,
            c.segment(),
            to,
            height,
            0,
            0);
      } else {
        MicroKernel.multiply(
            a.array(), at, b.array(), from, k, start.array(), begin, step, c.array(), to, height);
      }
      at += tiles * advance;
      begin += together * step;
      to += together * MicroKernel.WIDTH;
    }
  }
}
