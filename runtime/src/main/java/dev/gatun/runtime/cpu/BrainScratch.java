package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/** What one worker needs for the operators in bf16. */
final class BrainScratch implements AutoCloseable {
  /** Where the only tap of a matrix product stands. */
  private final Tensor noOffset = Tensor.allocate(DType.I64, Shape.of(1));

  private final Arguments arguments = new Arguments();
  private final Arguments product =
      new Arguments().set(BrainTiles.TAPS, 1).set(BrainTiles.OFFSETS, noOffset.address());
  private final Arguments convolution = new Arguments();
  private final NativeBuffer sums = new NativeBuffer();
  private final NativeBuffer staging = new NativeBuffer();
  private float[] floats = new float[0];

  /** For any function. */
  Arguments arguments() {
    return arguments;
  }

  /** Of {@link BrainTiles#multiply}, for a product of one tap. */
  Arguments product() {
    return product;
  }

  /** Of {@link BrainTiles#multiply}, for several taps. */
  Arguments convolution() {
    return convolution;
  }

  NativeBuffer sums() {
    return sums;
  }

  NativeBuffer staging() {
    return staging;
  }

  float[] floats(int count) {
    if (floats.length < count) {
      floats = new float[count];
    }
    return floats;
  }

  @Override
  public void close() {
    noOffset.close();
    arguments.close();
    product.close();
    convolution.close();
    sums.close();
    staging.close();
  }
}
