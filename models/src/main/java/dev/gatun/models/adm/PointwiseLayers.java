package dev.gatun.models.adm;

import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Convolutions of size 1, which are linear layers on the channels. */
final class PointwiseLayers {
  private PointwiseLayers() {}

  /**
   * A layer that is stored as a convolution.
   *
   * @param axes of the kernel behind {@code [out, in]}, each of extent 1
   */
  static Linear linear(Weights weights, String prefix, int in, int out, int axes) {
    int[] stored = new int[2 + axes];
    Arrays.fill(stored, 1);
    stored[0] = out;
    stored[1] = in;
    var matrix =
        weights.matrix(
            prefix + ".weight", Shape.of(stored), kernel -> kernel.reshape(Shape.of(out, in)));
    var bias = weights.tensor(prefix + ".bias", out);
    return new Linear(weights, matrix, new Epilogue(bias, Activation.IDENTITY));
  }

  /**
   * The layer before an attention, {@code [3C, C, 1]}. Its rows are re-laid to {@code (3, heads,
   * size)} while they are read, whichever order a file has them in, so that the thirds of the
   * result are q, k and v.
   *
   * @param newOrder whether they are stored so; else as {@code (heads, 3, size)}
   */
  static Linear qkv(Weights weights, String prefix, int channels, int heads, boolean newOrder) {
    int rows = 3 * channels;
    int regrouped = newOrder ? 1 : heads; // (1, 3, C) is (3, 1, C) already
    var matrix =
        weights.matrix(
            prefix + ".weight",
            Shape.of(rows, channels, 1),
            stored -> thirdsFirst(stored, Shape.of(rows, channels), regrouped));
    var bias =
        weights.tensor(
            prefix + ".bias",
            Shape.of(rows),
            stored -> thirdsFirst(stored, Shape.of(rows), regrouped));
    return new Linear(weights, matrix, new Epilogue(bias, Activation.IDENTITY));
  }

  /** {@code (heads, 3, size …) → (3, heads, size …)}. */
  private static Tensor thirdsFirst(Tensor stored, Shape shape, int heads) {
    var relaid = Tensor.allocate(stored.dtype(), shape);
    var from = stored.segment();
    var to = relaid.segment();
    long size = to.byteSize() / (3L * heads);
    for (int head = 0; head < heads; head++) {
      for (int third = 0; third < 3; third++) {
        long at = ((long) third * heads + head) * size;
        MemorySegment.copy(from, (3L * head + third) * size, to, at, size);
      }
    }
    return relaid;
  }
}
