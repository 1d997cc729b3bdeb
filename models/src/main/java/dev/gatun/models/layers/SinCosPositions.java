package dev.gatun.models.layers;

/**
 * The fixed 2-D sine-cosine position embedding of DiT and DiffiT (MAE, He et al., 2021), for
 * checkpoints that do not store it.
 */
public final class SinCosPositions {
  private SinCosPositions() {}

  /**
   * {@code [grid², width]}, row-major tokens. The first half of a row encodes the column of the
   * token and the second half its row (the authors' code names them the other way round); each half
   * is {@code [sin(pos·ω_k) …, cos(pos·ω_k) …]} with {@code ω_k = 10000^(-k/(width/4))}.
   *
   * @param width a multiple of 4
   */
  public static float[] table(int grid, int width) {
    if (width % 4 != 0) {
      throw new IllegalArgumentException(
          "a sine-cosine position embedding of width "
              + width
              + " does not exist: the width must be a multiple of 4");
    }
    int quarter = width / 4;
    float[] table = new float[Math.multiplyExact(Math.multiplyExact(grid, grid), width)];
    for (int token = 0; token < grid * grid; token++) {
      int at = token * width;
      half(token % grid, quarter, table, at);
      half(token / grid, quarter, table, at + 2 * quarter);
    }
    return table;
  }

  private static void half(int position, int quarter, float[] table, int at) {
    for (int k = 0; k < quarter; k++) {
      double angle = position * Math.pow(10000, -(double) k / quarter);
      table[at + k] = (float) Math.sin(angle);
      table[at + quarter + k] = (float) Math.cos(angle);
    }
  }
}
