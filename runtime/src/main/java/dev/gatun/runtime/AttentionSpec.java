package dev.gatun.runtime;

/**
 * The constants of an attention, fixed when a layer is made.
 *
 * @param heads number of heads; the channel axis of q, k and v is {@code [heads, headSize]}
 * @param scale factor on q·k before the softmax, usually {@code headSize^-½}
 * @param causal whether query i sees only the keys j ≤ i
 * @param windows what a query sees of a grid of tokens; null for everything
 * @param relativeBias F32 {@code [heads, (2·side − 1)²]} with the side of the windows, added to the
 *     scaled scores: for a query at row r and column c and a key at r', c' it is element {@code (r
 *     − r' + side − 1)·(2·side − 1) + (c − c' + side − 1)} of the head (Liu et al., "Swin
 *     Transformer", 2021); null for none, and only with windows
 */
public record AttentionSpec(
    int heads, float scale, boolean causal, Windows windows, Tensor relativeBias) {
  /**
   * A grid of tokens in row-major order, cut into square windows that do not overlap.
   *
   * @param height rows of the grid
   * @param width columns of the grid
   * @param side rows and columns of a window, a divisor of both; as many as the grid has for
   *     attention over all of it
   */
  public record Windows(int height, int width, int side) {
    public Windows {
      if (side < 1 || height < 1 || width < 1 || height % side != 0 || width % side != 0) {
        throw new IllegalArgumentException(
            "windows of %d on a grid of %dx%d: the side must divide both extents"
                .formatted(side, height, width));
      }
    }

    /** How many windows the grid has. */
    public int count() {
      return height / side * (width / side);
    }

    /** How many tokens a window has. */
    public int area() {
      return side * side;
    }

    /**
     * The row of a token in a tensor {@code [N, height·width, C]}.
     *
     * @param group a window, counted through all samples
     */
    public long row(int group, int token) {
      long sample = group / count();
      return sample * height * width + position(group % count(), token);
    }

    /** Where in the grid a token of a window stands; both are counted in row-major order. */
    public int position(int window, int token) {
      int perRow = width / side;
      int row = window / perRow * side + token / side;
      int column = window % perRow * side + token % side;
      return row * width + column;
    }
  }

  public AttentionSpec {
    if (heads < 1) {
      throw new IllegalArgumentException(
          "attention with " + heads + " heads: there must be at least one");
    }
    if (windows != null && causal) {
      throw new IllegalArgumentException("attention in windows has no causal order");
    }
    if (relativeBias != null && windows == null) {
      throw new IllegalArgumentException("attention with a relative bias needs windows");
    }
  }

  /** Attention to everything, or with the causal mask to everything before. */
  public AttentionSpec(int heads, float scale, boolean causal) {
    this(heads, scale, causal, null, null);
  }

  /**
   * Full attention of {@code heads} heads of {@code headSize} channels, scaled by {@code
   * headSize^-½}.
   */
  public static AttentionSpec of(int heads, int headSize) {
    return new AttentionSpec(heads, (float) (1 / Math.sqrt(headSize)), false);
  }

  /** The same where query i sees only the keys j ≤ i. */
  public AttentionSpec withCausalMask() {
    return new AttentionSpec(heads, scale, true, windows, relativeBias);
  }

  /** The same in windows, with a relative position bias or null. */
  public AttentionSpec inWindows(Windows grid, Tensor bias) {
    return new AttentionSpec(heads, scale, causal, grid, bias);
  }
}
