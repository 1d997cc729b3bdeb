package dev.gatun.models.diffit;

import dev.gatun.models.layers.PositionInterpolation;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * The table of a relative position bias, one number for each head and offset between two tokens of
 * a window (Liu et al., "Swin Transformer", 2021). Files hold it as {@code [(2·side - 1)², heads]}.
 */
final class RelativeBias {
  private RelativeBias() {}

  /** Offsets between the tokens of a window, along both axes. */
  static int offsets(int side) {
    return (2 * side - 1) * (2 * side - 1);
  }

  /** The side of the windows whose table has so many rows; 0 if there is none. */
  static int side(int offsets) {
    int extent = (int) Math.round(Math.sqrt(offsets));
    return extent % 2 == 1 && (long) extent * extent == offsets ? (extent + 1) / 2 : 0;
  }

  /**
   * {@code [heads, (2·side - 1)²]} on the device. For windows of another side than the trained one
   * the table is interpolated as an image of offsets, with offset 0 in its middle, as Swin does for
   * fine-tuning.
   */
  static Tensor load(Weights weights, String key, int heads, int trainedSide, int side) {
    return weights.tensor(
        key,
        Shape.of(offsets(trainedSide), heads),
        stored -> {
          float[] table =
              PositionInterpolation.table(
                  stored.toFloats(), 2 * trainedSide - 1, 2 * side - 1, heads);
          return byHead(table, offsets(side), heads);
        });
  }

  /** {@code [offsets, heads] → [heads, offsets]}. */
  private static Tensor byHead(float[] table, int offsets, int heads) {
    float[] byHead = new float[table.length];
    for (int i = 0; i < offsets; i++) {
      for (int h = 0; h < heads; h++) {
        byHead[h * offsets + i] = table[i * heads + h];
      }
    }
    return Tensor.of(Shape.of(heads, offsets), byHead);
  }
}
