package dev.gatun.models.adm;

import static dev.gatun.models.adm.Backbone.EPS;
import static dev.gatun.models.adm.Backbone.GROUPS;

import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** The mean over all positions, and a linear layer. */
final class AdaptivePool implements Pool {
  private final Backend backend;
  private final GroupNorm norm;
  private final Linear head;

  AdaptivePool(Weights weights, ClassifierConfig config) {
    backend = weights.backend();
    int c = config.backbone().innermost();
    norm = new GroupNorm(weights, "out.0", c, GROUPS, EPS);
    head = PointwiseLayers.linear(weights, "out.3", c, config.numClasses(), 2);
  }

  @Override
  public void forward(Tensor[] features, Tensor h, Workspace workspace, Tensor logits) {
    int mark = workspace.mark();
    var u = workspace.take(h.dim(0), h.dim(1), h.dim(2), h.dim(3)); // (N, H, W, C)
    norm.forward(h, Activation.SILU, u);
    var mean = workspace.take(h.dim(0), h.dim(3)); // (N, C)
    backend.meanOfPositions(u, mean);
    head.forward(mean, logits); // (N, classes)
    workspace.release(mark);
  }
}
