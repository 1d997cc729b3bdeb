package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/** What one worker needs for the operators in bf16 or bytes. */
final class BrainScratch implements AutoCloseable {
  /** Where the only tap of a matrix product stands. */
  private final Tensor noOffset = Tensor.allocate(DType.I64, Shape.of(2));

  private final Arguments arguments = new Arguments();
  private final Arguments product =
      new Arguments().set(BrainProduct.TAPS, 1).set(BrainProduct.OFFSETS, noOffset.address());
  private final Arguments convolution = new Arguments();
  private final Tensor zeros = Tensor.allocate(DType.F32, Shape.of(BrainWeight.WIDTH));
  private final NativeBuffer sums = new NativeBuffer();
  private final NativeBuffer staging = new NativeBuffer();
  private final NativeBuffer queries = new NativeBuffer();
  private final NativeBuffer keys = new NativeBuffer();
  private final NativeBuffer values = new NativeBuffer();
  private final NativeBuffer scores = new NativeBuffer();
  private final NativeBuffer inverses = new NativeBuffer();
  private final NativeBuffer bias = new NativeBuffer();
  private float[] floats = new float[0];

  /** For any function. */
  Arguments arguments() {
    return arguments;
  }

  /** Of {@link BrainProduct#multiply}, for a product of one tap. */
  Arguments product() {
    return product;
  }

  /** Of {@link BrainProduct#multiply}, for several taps. */
  Arguments convolution() {
    return convolution;
  }

  NativeBuffer sums() {
    return sums;
  }

  NativeBuffer staging() {
    return staging;
  }

  /** A row of zeros, for sums that begin with nothing. */
  long zeros() {
    return zeros.address();
  }

  /** Rounded queries. */
  NativeBuffer queries() {
    return queries;
  }

  /** Keys as the right operand of a product. */
  NativeBuffer keys() {
    return keys;
  }

  /** Values as the right operand of a product. */
  NativeBuffer values() {
    return values;
  }

  NativeBuffer scores() {
    return scores;
  }

  /** 1 / sum of each row of weights. */
  NativeBuffer inverses() {
    return inverses;
  }

  /** What rows of scores begin with. */
  NativeBuffer bias() {
    return bias;
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
    zeros.close();
    for (var each : new Arguments[] {arguments, product, convolution}) {
      each.close();
    }
    var buffers = new NativeBuffer[] {sums, staging, queries, keys, values, scores, inverses, bias};
    for (var buffer : buffers) {
      buffer.close();
    }
  }
}
