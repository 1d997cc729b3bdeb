package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.random.RandomSource;

/** {@link Noise#batch}. */
final class BatchNoise implements Noise {
  private final RandomSource source;
  private final NoiseStage stage;
  private final int copies;

  BatchNoise(RandomSource source, int copies, Backend backend) {
    if (copies < 1) {
      throw new IllegalArgumentException("noise for " + copies + " batches: give at least 1");
    }
    this.source = source;
    this.copies = copies;
    stage = new NoiseStage(backend);
  }

  @Override
  public void begin(Tensor out) {
    draw(out, 1); // the scripts double the batch later
    stage.deliver(out);
  }

  @Override
  public void next(Tensor out) {
    draw(out, copies);
    stage.deliver(out);
  }

  @Override
  public void skip(Tensor like) {
    draw(like, copies);
  }

  private void draw(Tensor like, int batches) {
    source.normal(stage.drawn(like, batches), 0, (int) like.shape().size() * batches);
  }
}
