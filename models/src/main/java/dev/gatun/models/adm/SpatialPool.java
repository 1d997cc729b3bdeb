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

/**
 * The means over all positions of every block's result, one behind the other, and an MLP: with
 * ReLU, or in the second version with group normalisation and SiLU.
 */
final class SpatialPool implements Pool {
  private final Backend backend;
  private final int width;
  private final Linear first;
  private final GroupNorm norm;
  private final Linear head;

  SpatialPool(Weights weights, ClassifierConfig config) {
    backend = weights.backend();
    width = config.features();
    boolean second = config.pool() == Pooling.SPATIAL_V2;
    first = new Linear(weights, "out.0", width, Pooling.HIDDEN);
    norm = second ? new GroupNorm(weights, "out.1", Pooling.HIDDEN, GROUPS, EPS) : null;
    head = new Linear(weights, second ? "out.3" : "out.2", Pooling.HIDDEN, config.numClasses());
  }

  @Override
  public void forward(Tensor[] features, Tensor h, Workspace workspace, Tensor logits) {
    int n = h.dim(0);
    int mark = workspace.mark();
    var means = workspace.take(n, width); // (N, Σ C)
    int at = 0;
    for (var map : features) {
      backend.meanOfPositions(map, means.columns(at, at + map.dim(3)));
      at += map.dim(3);
    }
    backend.meanOfPositions(h, means.columns(at, at + h.dim(3)));
    var hidden = workspace.take(n, Pooling.HIDDEN); // (N, 2048)
    first.forward(means, hidden);
    if (norm == null) {
      backend.activate(Activation.RELU, hidden, hidden);
    } else {
      norm.forward(hidden, Activation.SILU, hidden);
    }
    head.forward(hidden, logits); // (N, classes)
    workspace.release(mark);
  }
}
