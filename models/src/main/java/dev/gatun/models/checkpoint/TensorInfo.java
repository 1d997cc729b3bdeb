package dev.gatun.models.checkpoint;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;

/**
 * What a checkpoint says of one of its tensors.
 *
 * @param key its name in the file
 * @param dtype its element type in the file
 * @param shape its extents in the file; nothing is re-laid
 */
public record TensorInfo(String key, DType dtype, Shape shape) {
  /**
   * How many bytes the elements have when they lie back to back.
   *
   * @throws ArithmeticException if that does not fit in a {@code long}; a tensor of a checkpoint
   *     always fits
   */
  public long bytes() {
    return Math.multiplyExact(shape.size(), dtype.bytes());
  }

  /** For example {@code pos_embed F32 [1, 256, 1152]}. */
  @Override
  public String toString() {
    return CheckpointException.show(key) + " " + dtype + " " + shape;
  }
}
