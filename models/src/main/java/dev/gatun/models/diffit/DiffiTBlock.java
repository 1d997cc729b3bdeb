package dev.gatun.models.diffit;

import dev.gatun.models.layers.LayerNorm;
import dev.gatun.models.layers.Mlp;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** The transformer block of the paper: {@code x += TMSA(LN(x), c)}, {@code x += MLP(LN(x))}. */
final class DiffiTBlock {
  static final float EPS = 1e-6f;

  private final LayerNorm norm1;
  private final Tmsa attention;
  private final LayerNorm norm2;
  private final Mlp mlp;

  DiffiTBlock(LayerNorm norm1, Tmsa attention, LayerNorm norm2, Mlp mlp) {
    this.norm1 = norm1;
    this.attention = attention;
    this.norm2 = norm2;
    this.mlp = mlp;
  }

  /** A block of the latent model, whose normalisations have no weights. */
  static DiffiTBlock latent(Weights weights, String prefix, DiffiTLatentConfig config) {
    int d = config.hiddenSize();
    return new DiffiTBlock(
        new LayerNorm(weights, EPS),
        new Tmsa(
            weights,
            prefix + ".attn",
            d,
            d,
            config.numHeads(),
            config.windows(),
            config.trainedGrid()),
        new LayerNorm(weights, EPS),
        new Mlp(weights, prefix + ".mlp", d, config.mlpHidden(), Activation.GELU_TANH));
  }

  /** A block of one stage of the model of images. */
  static DiffiTBlock image(Weights weights, String prefix, DiffiTImageConfig config, int stage) {
    int d = config.dims().get(stage);
    var windows = config.windows(stage);
    return new DiffiTBlock(
        new LayerNorm(weights, prefix + ".norm1", d, EPS),
        new Tmsa(
            weights,
            prefix + ".attn",
            d,
            config.timeDim(),
            config.heads().get(stage),
            windows,
            windows.side()),
        new LayerNorm(weights, prefix + ".norm2", d, EPS),
        new Mlp(weights, prefix + ".mlp", d, config.mlpHidden(stage), Activation.GELU_TANH));
  }

  /**
   * Updates x in place.
   *
   * @param x {@code [N, T, D]}
   * @param c {@code [N, condition width]}: time and class
   */
  void forward(Tensor x, Tensor c, Workspace workspace) {
    int mark = workspace.mark();
    var u = workspace.takeFactor(x.dim(0), x.dim(1), x.dim(2)); // (N, T, D)
    norm1.forward(x, u);
    attention.forward(u, c, x, workspace);
    norm2.forward(x, u);
    mlp.forward(u, null, x, workspace);
    workspace.release(mark);
  }
}
