package dev.gatun.models.clip;

import dev.gatun.models.layers.LayerNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Mlp;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** A transformer block, normalised before its branches, in which a token sees those before it. */
final class ClipTextLayer {
  private final Backend backend;
  private final int d;
  private final LayerNorm norm1;
  private final Linear q;
  private final Linear k;
  private final Linear v;
  private final AttentionSpec spec;
  private final Linear out;
  private final LayerNorm norm2;
  private final Mlp mlp;

  ClipTextLayer(Weights weights, String prefix, ClipTextConfig config) {
    backend = weights.backend();
    d = config.hiddenSize();
    float eps = (float) config.eps();
    norm1 = new LayerNorm(weights, prefix + ".layer_norm1", d, eps);
    q = new Linear(weights, prefix + ".self_attn.q_proj", d, d);
    k = new Linear(weights, prefix + ".self_attn.k_proj", d, d);
    v = new Linear(weights, prefix + ".self_attn.v_proj", d, d);
    spec = AttentionSpec.of(config.numHeads(), d / config.numHeads()).withCausalMask();
    out = new Linear(weights, prefix + ".self_attn.out_proj", d, d);
    norm2 = new LayerNorm(weights, prefix + ".layer_norm2", d, eps);
    mlp = new Mlp(weights, prefix + ".mlp", d, config.intermediateSize(), config.activation());
  }

  /** Updates x {@code [N, L, D]} in place. */
  void forward(Tensor x, Workspace workspace) {
    int mark = workspace.mark();
    var u = workspace.takeFactor(x.dim(0), x.dim(1), d); // (N, L, D)
    var queries = workspace.takeFactor(x.dim(0), x.dim(1), d); // (N, L, D)
    var keys = workspace.takeFactor(x.dim(0), x.dim(1), d); // (N, L, D)
    var values = workspace.takeFactor(x.dim(0), x.dim(1), d); // (N, L, D)
    norm1.forward(x, u);
    q.forward(u, queries);
    k.forward(u, keys);
    v.forward(u, values);
    backend.attention(queries, keys, values, spec, u); // (N, L, D)
    out.forward(u, null, x, x); // x += attention
    norm2.forward(x, u);
    mlp.forward(u, null, x, workspace); // x += MLP
    workspace.release(mark);
  }
}
