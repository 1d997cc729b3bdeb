package dev.gatun.models.vae;

import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;

/**
 * Attention of one head over all pixels, {@code x + proj_out(attention(norm(x)))}: keys {@code
 * norm}, {@code q}, {@code k}, {@code v} and {@code proj_out}, 1×1 convolutions, which are linear
 * layers on pixels.
 */
final class AttnBlock implements Stage {
  private final Backend backend;
  private final int c;
  private final AttentionSpec spec;
  private final GroupNorm norm;
  private final Linear q;
  private final Linear k;
  private final Linear v;
  private final Linear projOut;

  // Of the size seen last, so that a pass makes no new ones.
  private Shape tokens = Shape.of(1, 0, 0);
  private Shape packed = Shape.of(1, 0, 0);

  AttnBlock(Weights weights, String prefix, int c, int groups) {
    backend = weights.backend();
    this.c = c;
    spec = AttentionSpec.of(1, c);
    norm = new GroupNorm(weights, prefix + ".norm", c, groups, Coder.EPS);
    q = pointwise(weights, prefix + ".q", c);
    k = pointwise(weights, prefix + ".k", c);
    v = pointwise(weights, prefix + ".v", c);
    projOut = pointwise(weights, prefix + ".proj_out", c);
  }

  private static Linear pointwise(Weights weights, String prefix, int c) {
    var matrix = Shape.of(c, c);
    return new Linear(
        weights,
        weights.matrix(prefix + ".weight", Shape.of(c, c, 1, 1), kernel -> kernel.reshape(matrix)),
        Epilogue.bias(weights.tensor(prefix + ".bias", c)));
  }

  @Override
  public void forward(FeatureMaps maps) {
    var x = maps.x(); // (1, H, W, C)
    int height = x.dim(1);
    int width = x.dim(2);
    int length = height * width;
    if (!tokens.is(1, length, c)) {
      tokens = Shape.of(1, length, c);
      packed = Shape.of(1, length, 3 * c);
    }
    var u = maps.next(height, width, c).reshape(tokens); // (1, L, C)
    var qkv = maps.between(height, width, 3 * c).reshape(packed); // (1, L, 3C)
    norm.forward(x.reshape(tokens), Activation.IDENTITY, u);
    q.forward(u, qkv.columns(0, c));
    k.forward(u, qkv.columns(c, 2 * c));
    v.forward(u, qkv.columns(2 * c, 3 * c));
    backend.attention(
        qkv.columns(0, c), qkv.columns(c, 2 * c), qkv.columns(2 * c, 3 * c), spec, u); // (1, L, C)
    projOut.forward(u, null, x, x); // (1, H, W, C)
  }

  /** x, what attention reads and writes, and q, k and v. */
  @Override
  public long floatsPerPixel() {
    return 5L * c;
  }
}
