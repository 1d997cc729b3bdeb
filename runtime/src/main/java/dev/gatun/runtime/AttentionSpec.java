package dev.gatun.runtime;

/**
 * The constants of an attention, fixed when a layer is made.
 *
 * <p>What later networks add (relative position bias, windows) becomes a component here with a
 * neutral default in {@link #of}, so callers do not change.
 *
 * @param heads number of heads; the channel axis of q, k and v is {@code [heads, headSize]}
 * @param scale factor on q·k before the softmax, usually {@code headSize^-½}
 * @param causal whether query i sees only the keys j ≤ i
 */
public record AttentionSpec(int heads, float scale, boolean causal) {
  public AttentionSpec {
    if (heads < 1) {
      throw new IllegalArgumentException(
          "attention with " + heads + " heads: there must be at least one");
    }
  }

  /**
   * Full attention of {@code heads} heads of {@code headSize} channels, scaled by {@code
   * headSize^-½}.
   */
  public static AttentionSpec of(int heads, int headSize) {
    return new AttentionSpec(heads, (float) (1 / Math.sqrt(headSize)), false);
  }
}
