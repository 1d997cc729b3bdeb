package dev.gatun.models.diffit;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * The residual block of the paper: {@code x += DiffiT-Block(conv(SiLU(GN(x))), c)}, a convolution
 * of 3×3.
 */
final class ResBlock {
  private final Backend backend;
  private final GroupNorm norm;
  private final Conv2d conv;
  private final DiffiTBlock block;

  ResBlock(Weights weights, String prefix, DiffiTImageConfig config, int stage) {
    backend = weights.backend();
    int channels = config.dims().get(stage);
    int groups = DiffiTImageConfig.groups(channels);
    norm = new GroupNorm(weights, prefix + ".norm", channels, groups, DiffiTImageConfig.GROUP_EPS);
    conv = new Conv2d(weights, prefix + ".conv", channels, channels, 3);
    block = DiffiTBlock.image(weights, prefix, config, stage);
  }

  /**
   * Updates x in place.
   *
   * @param x {@code [N, H, W, C]}
   * @param c {@code [N, time dim]}: time and class
   */
  void forward(Tensor x, Tensor c, Workspace workspace) {
    int n = x.dim(0);
    int height = x.dim(1);
    int width = x.dim(2);
    int channels = x.dim(3);
    int mark = workspace.mark();
    var u = workspace.take(n, height, width, channels); // (N, H, W, C)
    norm.forward(x, Activation.SILU, u);
    var h = workspace.take(n, height, width, channels); // (N, H, W, C)
    conv.forward(u, h);
    block.forward(h.reshape(n, height * width, channels), c, workspace); // (N, H·W, C)
    backend.add(x, h, x);
    workspace.release(mark);
  }
}
