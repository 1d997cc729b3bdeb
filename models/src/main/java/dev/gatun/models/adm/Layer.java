package dev.gatun.models.adm;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** One module of a block with its weights. */
sealed interface Layer permits Layer.Stem, ResBlock, AttentionBlock, Downsample, Upsample {
  /**
   * Computes the module.
   *
   * @param x {@code [N, H, W, in]}
   * @param emb {@code [N, 4·model channels]}, SiLU of the embedding of time and class
   * @param out {@code [N, H', W', out]}
   */
  void forward(Tensor x, Tensor emb, Workspace workspace, Tensor out);

  /** Reads a module's weights. */
  static Layer of(Part part, Weights weights, String prefix) {
    return switch (part) {
      case Part.Stem stem -> new Stem(new Conv2d(weights, prefix, stem.in(), stem.out(), 3));
      case Part.Residual residual -> new ResBlock(weights, prefix, residual);
      case Part.Attention attention -> new AttentionBlock(weights, prefix, attention);
      case Part.Down down -> new Downsample(weights, prefix, down);
      case Part.Up up -> new Upsample(weights, prefix, up);
    };
  }

  /** The convolution that begins a network. */
  record Stem(Conv2d conv) implements Layer {
    @Override
    public void forward(Tensor x, Tensor emb, Workspace workspace, Tensor out) {
      conv.forward(x, out); // (N, H, W, C)
    }
  }
}
