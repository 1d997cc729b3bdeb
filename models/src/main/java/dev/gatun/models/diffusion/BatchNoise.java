package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.random.RandomSource;

/** {@link Noise#batch}. */
final class BatchNoise implements Noise {
  private final RandomSource source;
  private final NoiseStage stage;
  private final int copies;
  private boolean begun;

  BatchNoise(RandomSource source, int copies, Backend backend) {
    if (copies < 1) {
      throw new IllegalArgumentException("noise for " + copies + " batches: give at least 1");
    }
    this.source = source;
    this.copies = copies;
    stage = new NoiseStage(backend);
  }

  @Override
  public void next(Tensor out) {
    // the scripts draw the first noise before they double the batch
    int batches = begun ? copies : 1;
    begun = true;
    source.normal(stage.drawn(out, batches), 0, (int) out.shape().size() * batches);
    stage.deliver(out);
  }
}
