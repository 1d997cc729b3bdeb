package dev.gatun.models.dit;

import dev.gatun.models.layers.Attention;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Mlp;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * A transformer block whose normalisations are modulated, and whose branches are gated, by the
 * condition (adaLN-Zero).
 */
final class DiTBlock {
  static final float EPS = 1e-6f;

  private final Backend backend;
  private final int d;
  private final Linear modulation;
  private final Attention attention;
  private final Mlp mlp;

  DiTBlock(Weights weights, String prefix, DiTConfig config) {
    backend = weights.backend();
    d = config.hiddenSize();
    modulation = new Linear(weights, prefix + ".adaLN_modulation.1", d, 6 * d);
    attention = new Attention(weights, prefix + ".attn", d, config.numHeads());
    mlp = new Mlp(weights, prefix + ".mlp", d, config.mlpHidden(), Activation.GELU_TANH);
  }

  /**
   * Updates x in place.
   *
   * @param x {@code [N, T, D]}
   * @param c {@code [N, D]}, SiLU of the condition
   */
  void forward(Tensor x, Tensor c, Workspace workspace) {
    int mark = workspace.mark();
    var m =
        workspace.take(x.dim(0), 6 * d); // (N, 6D): shift, scale, gate of attention, then of MLP
    modulation.forward(c, m);
    var u = workspace.takeFactor(x.dim(0), x.dim(1), d); // (N, T, D)
    backend.layerNorm(x, null, null, chunk(m, 0), chunk(m, 1), EPS, u);
    attention.forward(u, chunk(m, 2), x, workspace);
    backend.layerNorm(x, null, null, chunk(m, 3), chunk(m, 4), EPS, u);
    mlp.forward(u, chunk(m, 5), x, workspace);
    workspace.release(mark);
  }

  private Tensor chunk(Tensor m, int i) {
    return m.columns(i * d, (i + 1) * d);
  }
}
