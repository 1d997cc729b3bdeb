package dev.gatun.models.adm;

import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;

/** The way down and the middle: all of a classifier's blocks, and half of a UNet's. */
final class AdmEncoder {
  private final List<Block> input = new ArrayList<>();
  private final Block middle;

  AdmEncoder(Weights weights, Plan plan) {
    for (var block : plan.input()) {
      input.add(new Block(weights, block));
    }
    middle = new Block(weights, plan.middle());
  }

  /**
   * Computes the feature maps of all blocks.
   *
   * @param x {@code [N, H, W, in]}
   * @param emb {@code [N, D]}
   * @param features where the results of the input blocks go, each {@code [N, H/rate, W/rate, out]}
   * @param out {@code [N, H/reduction, W/reduction, C]}, the result of the middle
   */
  void forward(Tensor x, Tensor emb, Tensor[] features, Workspace workspace, Tensor out) {
    var h = x;
    for (int i = 0; i < features.length; i++) {
      input.get(i).forward(h, emb, workspace, features[i]); // (N, H', W', C)
      h = features[i];
    }
    middle.forward(h, emb, workspace, out); // (N, H', W', C)
  }
}
