package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.random.RandomSource;
import dev.gatun.runtime.random.TorchRandom;

/**
 * Where the Gaussian noise of a sampler comes from: what it {@linkplain #begin starts from}, and
 * what is added on the way.
 */
@FunctionalInterface
public interface Noise {
  /**
   * Fills a tensor with noise of mean 0 and variance 1, drawn in NCHW order as the authors' scripts
   * do.
   *
   * @param out {@code [N, H, W, C]}
   */
  void next(Tensor out);

  /** Fills a tensor with what the sampler starts from, as {@link #next}. */
  default void begin(Tensor out) {
    next(out);
  }

  /**
   * Passes over a draw of {@link #next} that the authors' script makes and multiplies by 0, where
   * later draws depend on it.
   *
   * @param like a tensor such as would be filled
   */
  default void skip(Tensor like) {}

  /**
   * One generator for the whole batch, in the order of its calls: {@code torch.manual_seed(seed)}
   * on a CPU, then {@code torch.randn} once for each draw.
   */
  static Noise torch(long seed, Backend backend) {
    return batch(new TorchRandom(seed), 1, backend);
  }

  /**
   * As {@link #torch}, but drawn as {@code torch.randn(…, dtype=torch.float64)} and then rounded:
   * the noise that EDM's sampler adds on its way.
   */
  static Noise torchDouble(long seed, Backend backend) {
    return batch(new DoubleSource(new TorchRandom(seed)), 1, backend);
  }

  /**
   * One source for the whole batch, in the order of its calls.
   *
   * @param copies how many batches each draw on the way is for, the first of which is used: 2 for
   *     the same picture as a script that doubles its batch for guidance (DiT, DiffiT), else 1
   */
  static Noise batch(RandomSource source, int copies, Backend backend) {
    return new BatchNoise(source, copies, backend);
  }

  /**
   * A generator of its own for each image, {@link TorchRandom#stream TorchRandom.stream(seed,
   * firstIndex + i)} for row i: an image does not depend on how many others are made, in which
   * batches, or on which machine.
   */
  static Noise perImage(long seed, long firstIndex, Backend backend) {
    return new ImageNoise(seed, firstIndex, backend);
  }
}
