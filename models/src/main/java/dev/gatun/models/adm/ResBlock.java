package dev.gatun.models.adm;

import static dev.gatun.models.adm.Backbone.EPS;
import static dev.gatun.models.adm.Backbone.GROUPS;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Two normalisations, each followed by SiLU and a convolution, around a residual connection; the
 * embedding of time and class scales and shifts the second normalisation, or is added before it.
 * Where the block resamples, it does so between the first SiLU and its convolution, and on the
 * residual connection alike.
 */
final class ResBlock implements Layer {
  private final Backend backend;
  private final Part.Residual part;
  private final GroupNorm inNorm;
  private final Conv2d inConv;
  private final Linear modulation;
  private final GroupNorm outNorm;
  private final Conv2d outConv;
  private final Linear skip;

  ResBlock(Weights weights, String prefix, Part.Residual part) {
    backend = weights.backend();
    this.part = part;
    int in = part.in();
    int c = part.out();
    inNorm = new GroupNorm(weights, prefix + ".in_layers.0", in, GROUPS, EPS);
    inConv = new Conv2d(weights, prefix + ".in_layers.2", in, c, 3);
    modulation = new Linear(weights, prefix + ".emb_layers.1", part.embedding(), part.modulation());
    outNorm = new GroupNorm(weights, prefix + ".out_layers.0", c, GROUPS, EPS);
    outConv = new Conv2d(weights, prefix + ".out_layers.3", c, c, 3);
    skip = in == c ? null : PointwiseLayers.linear(weights, prefix + ".skip_connection", in, c, 2);
  }

  @Override
  public void forward(Tensor x, Tensor emb, Workspace workspace, Tensor out) {
    int n = x.dim(0);
    int c = part.out();
    int height = out.dim(1);
    int width = out.dim(2);
    int mark = workspace.mark();
    var u = workspace.take(n, x.dim(1), x.dim(2), part.in()); // (N, H, W, in)
    inNorm.forward(x, Activation.SILU, u);
    u = resized(u, workspace); // (N, H', W', in)
    var h = workspace.take(n, height, width, c); // (N, H', W', C)
    inConv.forward(u, h);
    var m = workspace.take(n, part.modulation()); // (N, 2C): scale, then shift; or (N, C)
    modulation.forward(emb, m);
    if (part.scaleShift()) {
      outNorm.forward(h, m.columns(c, 2 * c), m.columns(0, c), Activation.SILU, h);
    } else {
      backend.addPerSample(h, m, h);
      outNorm.forward(h, Activation.SILU, h);
    }
    var residual = resized(x, workspace); // (N, H', W', in)
    if (skip != null) {
      skip.forward(residual, out); // (N, H', W', C)
      residual = out;
    }
    outConv.forward(h, residual, out); // (N, H', W', C)
    workspace.release(mark);
  }

  private Tensor resized(Tensor x, Workspace workspace) {
    var resize = part.resize();
    if (resize == Resize.NONE) {
      return x;
    }
    var to = workspace.take(x.dim(0), resize.of(x.dim(1)), resize.of(x.dim(2)), x.dim(3));
    if (resize == Resize.DOWN) {
      backend.averagePool(x, to);
    } else {
      backend.upsampleNearest(x, to);
    }
    return to;
  }
}
