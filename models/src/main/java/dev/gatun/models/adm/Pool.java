package dev.gatun.models.adm;

import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** The end of a classifier: logits of feature maps. */
sealed interface Pool permits AttentionPool, AdaptivePool, SpatialPool {
  /**
   * Computes the logits.
   *
   * @param features the results of the input blocks
   * @param h {@code [N, H, W, C]}, the result of the middle
   * @param logits {@code [N, classes]}
   */
  void forward(Tensor[] features, Tensor h, Workspace workspace, Tensor logits);

  /** Reads the weights of a configuration's pool. */
  static Pool of(Weights weights, ClassifierConfig config) {
    return switch (config.pool()) {
      case ATTENTION -> new AttentionPool(weights, config);
      case ADAPTIVE -> new AdaptivePool(weights, config);
      case SPATIAL, SPATIAL_V2 -> new SpatialPool(weights, config);
    };
  }
}
