package dev.gatun.models.uvit;

import dev.gatun.models.layers.Attention;
import dev.gatun.models.layers.LayerNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Mlp;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** A transformer block; those on the way up take a long skip connection in first. */
final class UViTBlock {
  static final float EPS = 1e-5f;

  private final int d;
  private final Linear skip;
  private final LayerNorm norm1;
  private final Attention attention;
  private final LayerNorm norm2;
  private final Mlp mlp;

  /**
   * @param skipped whether it is on the way up
   */
  UViTBlock(Weights weights, String prefix, UViTConfig config, boolean skipped) {
    d = config.embedDim();
    skip = skipped ? new Linear(weights, prefix + ".skip_linear", 2 * d, d) : null;
    norm1 = new LayerNorm(weights, prefix + ".norm1", d, EPS);
    attention = new Attention(weights, prefix + ".attn", d, config.numHeads(), config.qkvBias());
    norm2 = new LayerNorm(weights, prefix + ".norm2", d, EPS);
    mlp = new Mlp(weights, prefix + ".mlp", d, config.mlpHidden(), Activation.GELU_ERF);
  }

  /**
   * A block on the way up: x becomes what it makes of the tokens and the skip connection.
   *
   * @param both {@code [N, T, 2D]}, the tokens and those of the block that it is paired with
   * @param x {@code [N, T, D]}, overwritten
   */
  void forward(Tensor both, Tensor x, Workspace workspace) {
    skip.forward(both, x); // (N, T, D)
    forward(x, workspace);
  }

  /** Updates x {@code [N, T, D]} in place. */
  void forward(Tensor x, Workspace workspace) {
    int mark = workspace.mark();
    var u = workspace.takeFactor(x.dim(0), x.dim(1), d); // (N, T, D)
    norm1.forward(x, u);
    attention.forward(u, null, x, workspace); // x += attention
    norm2.forward(x, u);
    mlp.forward(u, null, x, workspace); // x += MLP
    workspace.release(mark);
  }
}
