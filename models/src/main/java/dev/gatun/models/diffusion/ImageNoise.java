package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.random.TorchRandom;
import java.util.ArrayList;
import java.util.List;

/** {@link Noise#perImage}. */
final class ImageNoise implements Noise {
  private final long seed;
  private final long firstIndex;
  private final NoiseStage stage;

  /** The generator of each image of the batch, whose size the first draw shows. */
  private final List<TorchRandom> generators = new ArrayList<>();

  ImageNoise(long seed, long firstIndex, Backend backend) {
    this.seed = seed;
    this.firstIndex = firstIndex;
    stage = new NoiseStage(backend);
  }

  @Override
  public void next(Tensor out) {
    var drawn = stage.drawn(out, 1);
    int images = out.dim(0);
    while (generators.size() < images) {
      generators.add(TorchRandom.stream(seed, firstIndex + generators.size()));
    }
    for (int i = 0; i < images; i++) {
      int size = (int) (out.shape().size() / images);
      generators.get(i).normal(drawn, i * size, size);
    }
    stage.deliver(out);
  }
}
