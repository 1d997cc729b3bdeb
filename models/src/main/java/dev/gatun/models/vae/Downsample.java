package dev.gatun.models.vae;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Conv2dSpec;

/** Halves height and width by a convolution: key {@code conv}. */
final class Downsample implements Stage {
  /** Zeros on the right and below only, as LDM pads. */
  private static final Conv2dSpec SPEC = new Conv2dSpec(2, 0, 0, 1, 1);

  private final int c;
  private final Conv2d conv;

  Downsample(Weights weights, String prefix, int c) {
    this.c = c;
    conv = new Conv2d(weights, prefix + ".conv", c, c, 3, SPEC);
  }

  @Override
  public void forward(FeatureMaps maps) {
    var x = maps.x(); // (1, H, W, C)
    var next = maps.next(x.dim(1) / 2, x.dim(2) / 2, c); // (1, H/2, W/2, C)
    conv.forward(x, next);
    maps.turn(next);
  }

  @Override
  public long floatsPerPixel() {
    return 2L * c;
  }

  @Override
  public int extent(int operand) {
    return operand / 2;
  }
}
