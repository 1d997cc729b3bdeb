package dev.gatun.runtime;

/**
 * The constants of a convolution, fixed when a layer is made. The padding is of zeros.
 *
 * @param stride distance between the windows of neighbouring results
 * @param top rows of padding above
 * @param left columns of padding on the left
 * @param bottom rows of padding below
 * @param right columns of padding on the right
 */
public record Conv2dSpec(int stride, int top, int left, int bottom, int right) {
  public Conv2dSpec {
    if (stride < 1 || top < 0 || left < 0 || bottom < 0 || right < 0) {
      throw new IllegalArgumentException(
          "convolution of stride %d with a padding of %d, %d, %d, %d (top, left, bottom, right): the stride must be at least 1, the padding at least 0"
              .formatted(stride, top, left, bottom, right));
    }
  }

  /** Stride 1 and a padding of half the (odd) kernel all round, so the result has the size of x. */
  public static Conv2dSpec same(int kernel) {
    return padded(1, kernel / 2);
  }

  /** The same padding on all sides. */
  public static Conv2dSpec padded(int stride, int padding) {
    return new Conv2dSpec(stride, padding, padding, padding, padding);
  }

  /** Height of the result for an operand and a kernel of these heights; less than 1 for none. */
  public int outHeight(int height, int kernel) {
    return extent((long) height + top + bottom - kernel);
  }

  /** Width of the result for an operand and a kernel of these widths; less than 1 for none. */
  public int outWidth(int width, int kernel) {
    return extent((long) width + left + right - kernel);
  }

  private int extent(long beyondFirst) {
    return Math.toIntExact(Math.floorDiv(beyondFirst, stride) + 1);
  }
}
