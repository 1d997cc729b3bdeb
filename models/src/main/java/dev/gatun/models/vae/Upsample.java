package dev.gatun.models.vae;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;

/** Doubles height and width by repetition, then smooths: key {@code conv}. */
final class Upsample implements Stage {
  private final Backend backend;
  private final int c;
  private final Conv2d conv;

  Upsample(Weights weights, String prefix, int c) {
    backend = weights.backend();
    this.c = c;
    conv = new Conv2d(weights, prefix + ".conv", c, c, 3);
  }

  @Override
  public void forward(FeatureMaps maps) {
    var x = maps.x(); // (1, H, W, C)
    var repeated = maps.between(2 * x.dim(1), 2 * x.dim(2), c); // (1, 2H, 2W, C)
    var next = maps.next(2 * x.dim(1), 2 * x.dim(2), c); // (1, 2H, 2W, C)
    backend.upsampleNearest(x, repeated);
    conv.forward(repeated, next);
    maps.turn(next);
  }

  @Override
  public long floatsPerPixel() {
    return (1 + 4 + 4) * (long) c;
  }

  @Override
  public int extent(int operand) {
    return 2 * operand;
  }
}
