package dev.gatun.models.adm;

import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** Modules one after the other ({@code TimestepEmbedSequential} of the authors' code). */
final class Block {
  private final BlockPlan plan;
  private final Layer[] layers;

  Block(Weights weights, BlockPlan plan) {
    this.plan = plan;
    layers = new Layer[plan.parts().size()];
    for (int i = 0; i < layers.length; i++) {
      layers[i] = Layer.of(plan.parts().get(i), weights, plan.prefix() + "." + i);
    }
  }

  BlockPlan plan() {
    return plan;
  }

  /** {@code [N, H, W, in] → [N, H', W', out]}, see {@link Layer#forward}. */
  void forward(Tensor x, Tensor emb, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    var h = x;
    for (int i = 0; i < layers.length - 1; i++) {
      var part = plan.parts().get(i);
      int height = part.resize().of(h.dim(1));
      int width = part.resize().of(h.dim(2));
      var next = workspace.take(h.dim(0), height, width, part.out()); // (N, H', W', C)
      layers[i].forward(h, emb, workspace, next);
      h = next;
    }
    layers[layers.length - 1].forward(h, emb, workspace, out); // (N, H', W', out)
    workspace.release(mark);
  }
}
