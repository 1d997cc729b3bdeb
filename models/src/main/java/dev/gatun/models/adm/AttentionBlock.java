package dev.gatun.models.adm;

import static dev.gatun.models.adm.Backbone.EPS;
import static dev.gatun.models.adm.Backbone.GROUPS;

import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Self-attention over all positions of a feature map, around a residual connection. The authors
 * multiply q and k by {@code size^-¼} each, which is a scale of {@code size^-½} on their products.
 */
final class AttentionBlock implements Layer {
  private final Backend backend;
  private final int channels;
  private final AttentionSpec spec;
  private final GroupNorm norm;
  private final Linear qkv;
  private final Linear proj;

  AttentionBlock(Weights weights, String prefix, Part.Attention part) {
    backend = weights.backend();
    channels = part.channels();
    spec = AttentionSpec.of(part.heads(), channels / part.heads());
    norm = new GroupNorm(weights, prefix + ".norm", channels, GROUPS, EPS);
    qkv = PointwiseLayers.qkv(weights, prefix + ".qkv", channels, part.heads(), part.newOrder());
    proj = PointwiseLayers.linear(weights, prefix + ".proj_out", channels, channels, 1);
  }

  @Override
  public void forward(Tensor x, Tensor emb, Workspace workspace, Tensor out) {
    int n = x.dim(0);
    int positions = x.dim(1) * x.dim(2);
    int mark = workspace.mark();
    var u = workspace.take(n, x.dim(1), x.dim(2), channels); // (N, H, W, C)
    norm.forward(x, Activation.IDENTITY, u);
    var packed = workspace.takeFactor(n, positions, 3 * channels); // (N, HW, 3C)
    qkv.forward(u, packed);
    var q = packed.columns(0, channels);
    var k = packed.columns(channels, 2 * channels);
    var v = packed.columns(2 * channels, 3 * channels);
    var a = workspace.takeFactor(n, positions, channels); // (N, HW, C)
    backend.attention(q, k, v, spec, a);
    proj.forward(a, null, x, out); // (N, H, W, C)
    workspace.release(mark);
  }
}
