package dev.gatun.models.dit;

import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Modulated normalisation, projection to the pixels of a patch, and the way back from tokens to a
 * feature map.
 */
final class FinalLayer {
  private final Backend backend;
  private final int d;
  private final int patch;
  private final int patchWidth;
  private final Linear modulation;
  private final Linear linear;

  FinalLayer(Weights weights, String prefix, DiTConfig config) {
    backend = weights.backend();
    d = config.hiddenSize();
    patch = config.patchSize();
    patchWidth = patch * patch * config.outChannels();
    modulation = new Linear(weights, prefix + ".adaLN_modulation.1", d, 2 * d);
    linear = new Linear(weights, prefix + ".linear", d, patchWidth);
  }

  /**
   * {@code [N, T, D] → [N, H, W, out channels]}.
   *
   * @param c {@code [N, D]}, SiLU of the condition
   */
  void forward(Tensor x, Tensor c, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    var m = workspace.take(x.dim(0), 2 * d); // (N, 2D): shift, scale
    modulation.forward(c, m);
    var u = workspace.takeFactor(x.dim(0), x.dim(1), d); // (N, T, D)
    backend.layerNorm(x, null, null, m.columns(0, d), m.columns(d, 2 * d), DiTBlock.EPS, u);
    var tokens = workspace.take(x.dim(0), x.dim(1), patchWidth); // (N, T, p·p·out)
    linear.forward(u, tokens);
    backend.unpatchify(tokens, patch, out);
    workspace.release(mark);
  }
}
