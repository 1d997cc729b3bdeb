package dev.gatun.runtime.cpu;

/**
 * Where the rows of the left operand of {@link MicroKernel} stand if they are much shorter than its
 * stride: tiles of {@link MicroKernel#ROWS} rows lie side by side, as many as there is room for.
 */
final class PackedRows {
  private PackedRows() {}

  /** Tiles side by side for rows of so many floats, from 1 to {@link MicroKernel#DEPTH}. */
  static int perLine(int depth) {
    return MicroKernel.STRIDE / depth;
  }

  /** Floats that so many rows take. */
  static int floats(int rows, int perLine) {
    int tiles = Math.ceilDiv(rows, MicroKernel.ROWS);
    return Math.ceilDiv(tiles, perLine) * MicroKernel.ROWS * MicroKernel.STRIDE;
  }

  /** Where a row begins. */
  static int at(int row, int perLine, int depth) {
    int tile = row / MicroKernel.ROWS;
    int line = tile / perLine * MicroKernel.ROWS + row % MicroKernel.ROWS;
    return line * MicroKernel.STRIDE + tile % perLine * depth;
  }

  /** From a tile to the next one of the same line, or of the next if it is alone in it. */
  static int advance(int perLine, int depth) {
    return perLine == 1 ? MicroKernel.ROWS * MicroKernel.STRIDE : depth;
  }

  /** Where the rows end, up to {@code last}, whose tiles are as far apart from a tile's row on. */
  static int end(int row, int last, int perLine) {
    int line = perLine * MicroKernel.ROWS;
    return perLine == 1 ? last : Math.min(last, (row / line + 1) * line);
  }
}
