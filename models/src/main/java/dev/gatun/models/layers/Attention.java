package dev.gatun.models.layers;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Multi-head self-attention as in timm's {@code vision_transformer.Attention}: keys {@code qkv},
 * packed as {@code (3, heads, head size)}, and {@code proj}.
 */
public final class Attention {
  private final Backend backend;
  private final int width;
  private final AttentionSpec spec;
  private final Linear qkv;
  private final Linear proj;

  /** With biases everywhere, as in DiT. */
  public Attention(Weights weights, String prefix, int width, int heads) {
    this(weights, prefix, width, heads, true);
  }

  /** With or without a bias of q, k and v. */
  public Attention(Weights weights, String prefix, int width, int heads, boolean qkvBias) {
    backend = weights.backend();
    this.width = width;
    spec = AttentionSpec.of(heads, width / heads);
    qkv =
        qkvBias
            ? new Linear(weights, prefix + ".qkv", width, 3 * width)
            : new Linear(
                weights, weights.matrix(prefix + ".qkv.weight", 3 * width, width), Epilogue.NONE);
    proj = new Linear(weights, prefix + ".proj", width, width);
  }

  /**
   * {@code x += gate ⊙ proj(attention(qkv(u)))}.
   *
   * @param u {@code [N, T, D]}, {@linkplain Workspace#takeFactor a factor}; overwritten
   */
  public void forward(Tensor u, Tensor gate, Tensor x, Workspace workspace) {
    int mark = workspace.mark();
    var packed = workspace.takeFactor(u.dim(0), u.dim(1), 3 * width); // (N, T, 3D)
    qkv.forward(u, packed);
    var q = packed.columns(0, width);
    var k = packed.columns(width, 2 * width);
    var v = packed.columns(2 * width, 3 * width);
    backend.attention(q, k, v, spec, u); // (N, T, D)
    proj.forward(u, gate, x, x);
    workspace.release(mark);
  }
}
