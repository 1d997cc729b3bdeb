package dev.gatun.runtime.cuda;

/**
 * The grid of a kernel that goes over the elements of a matrix: blocks of as many columns as the
 * matrix has, rounded up to a power of two, and as many rows as make up the block. Such a kernel
 * ends its parameters with {@code long long rows, int cols, int shift}.
 */
final class Elementwise {
  private static final int THREADS = 256;
  private static final int WIDEST = 8;
  private static final int MOST_COLUMN_BLOCKS = 65535;
  private static final int MOST_ROW_BLOCKS = Integer.MAX_VALUE;

  private Elementwise() {}

  /** Adds the last three arguments and launches; nothing where there are no elements. */
  static void launch(Launcher launcher, long rows, int cols) {
    if (rows == 0 || cols == 0) {
      return;
    }
    int shift = shift(cols, WIDEST);
    launcher
        .value(rows)
        .value(cols)
        .value(shift)
        .launch(
            Math.min(MOST_ROW_BLOCKS, Math.ceilDiv(rows, THREADS >> shift)),
            columnBlocks(cols, shift),
            1,
            THREADS);
  }

  /** The logarithm of the power of two that covers so many columns, at most a given one. */
  static int shift(int cols, int most) {
    return Math.min(most, Integer.SIZE - Integer.numberOfLeadingZeros(Math.max(1, cols) - 1));
  }

  /** How many blocks of {@code 1 << shift} columns there are; a kernel loops for the rest. */
  static int columnBlocks(int cols, int shift) {
    return Math.min(MOST_COLUMN_BLOCKS, Math.ceilDiv(cols, 1 << shift));
  }
}
