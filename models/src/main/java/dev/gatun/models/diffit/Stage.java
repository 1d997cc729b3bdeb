package dev.gatun.models.diffit;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * One resolution of the U: blocks on the way down, the stages of half the size and less, and blocks
 * on the way up, which see what the first blocks made beside what comes from below.
 */
final class Stage {
  private final Backend backend;
  private final int channels;
  private final ResBlock[] encoder;

  /** The next stage, and the layers to and from it; null in the last. */
  private final Stage inner;

  private final Conv2d down;
  private final Conv2d up;
  private final Conv2d fuse;
  private final ResBlock[] decoder;

  /** This stage and all below it. */
  Stage(Weights weights, DiffiTImageConfig config, int stage) {
    backend = weights.backend();
    channels = config.dims().get(stage);
    encoder = blocks(weights, "encoder", config, stage);
    if (stage == config.stages() - 1) {
      inner = null;
      down = null;
      up = null;
      fuse = null;
      decoder = null;
      return;
    }
    int below = config.dims().get(stage + 1);
    var halving = Conv2dSpec.padded(2, 1);
    down = new Conv2d(weights, "down." + stage, channels, below, 3, halving);
    inner = new Stage(weights, config, stage + 1);
    up = new Conv2d(weights, "up." + stage, below, channels, 3);
    fuse = new Conv2d(weights, "fuse." + stage, 2 * channels, channels, 1);
    decoder = blocks(weights, "decoder", config, stage);
  }

  private static ResBlock[] blocks(
      Weights weights, String name, DiffiTImageConfig config, int stage) {
    var blocks = new ResBlock[config.depths().get(stage)];
    for (int i = 0; i < blocks.length; i++) {
      blocks[i] = new ResBlock(weights, name + "." + stage + "." + i, config, stage);
    }
    return blocks;
  }

  /**
   * Updates x in place.
   *
   * @param x {@code [N, H, W, C]}
   * @param c {@code [N, time dim]}: time and class
   */
  void forward(Tensor x, Tensor c, Workspace workspace) {
    for (var block : encoder) {
      block.forward(x, c, workspace); // (N, H, W, C)
    }
    if (inner == null) {
      return;
    }
    int n = x.dim(0);
    int height = x.dim(1);
    int width = x.dim(2);
    int below = inner.channels;
    int mark = workspace.mark();
    var h = workspace.take(n, height / 2, width / 2, below); // (N, H/2, W/2, C')
    down.forward(x, h);
    inner.forward(h, c, workspace);
    var wide = workspace.take(n, height, width, below); // (N, H, W, C')
    backend.upsampleNearest(h, wide);
    var both = workspace.take(n, height, width, 2 * channels); // (N, H, W, 2C): below, skip
    up.forward(wide, both.columns(0, channels));
    backend.copy(x, both.columns(channels, 2 * channels));
    fuse.forward(both, x);
    workspace.release(mark);
    for (var block : decoder) {
      block.forward(x, c, workspace); // (N, H, W, C)
    }
  }
}
