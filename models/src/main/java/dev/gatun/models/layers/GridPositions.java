package dev.gatun.models.layers;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * The position embedding of a square grid of tokens as DiT and DiffiT have it: fixed sines and
 * cosines, which their checkpoints store all the same.
 */
public final class GridPositions {
  private GridPositions() {}

  /**
   * {@code [grid², width]} on the device. The stored embedding goes before the computed one, for it
   * is what the network was trained with; for another grid than the trained one it is interpolated,
   * so that all positions stay in the range that the network has seen.
   *
   * @param key of the stored embedding {@code [1, trainedGrid², width]}, which may be missing
   */
  public static Tensor load(Weights weights, String key, int trainedGrid, int grid, int width) {
    if (weights.has(key)) {
      var stored = Shape.of(1, trainedGrid * trainedGrid, width);
      return weights.tensor(
          key, stored, table -> resized(table.toFloats(), trainedGrid, grid, width));
    }
    float[] computed = SinCosPositions.table(trainedGrid, width);
    try (var table = resized(computed, trainedGrid, grid, width)) {
      var onDevice = weights.own(weights.backend().allocate(DType.F32, table.shape()));
      weights.backend().copy(table, onDevice);
      return onDevice;
    }
  }

  private static Tensor resized(float[] table, int trainedGrid, int grid, int width) {
    float[] positions = PositionInterpolation.table(table, trainedGrid, grid, width);
    return Tensor.of(Shape.of(grid * grid, width), positions);
  }
}
