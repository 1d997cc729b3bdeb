package dev.gatun.models.adm;

import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * The embedding of time and class that every residual block sees, with the SiLU that each of them
 * begins with. The sinusoidal part has {@code model_channels}, whatever the width of level 0.
 */
final class TimeEmbedding {
  private static final double MAX_PERIOD = 10000;

  private final Backend backend;
  private final Backbone net;
  private final Linear first;
  private final Linear second;
  private final Tensor labels;

  /**
   * @param classes rows of the label table; 0 for none
   */
  TimeEmbedding(Weights weights, Backbone net, int classes) {
    backend = weights.backend();
    this.net = net;
    int d = net.embedding();
    first = new Linear(weights, "time_embed.0", net.modelChannels(), d, Activation.SILU);
    second = new Linear(weights, "time_embed.2", d, d);
    labels = classes > 0 ? weights.tensor("label_emb.weight", classes, d) : null;
  }

  /**
   * {@code emb = SiLU(mlp(t) + label)}.
   *
   * @param t {@code [N]}
   * @param y I64 {@code [N]}, or null without labels
   * @param emb {@code [N, D]}
   */
  void forward(Tensor t, Tensor y, Workspace workspace, Tensor emb) {
    int n = t.dim(0);
    int mark = workspace.mark();
    var waves = workspace.take(n, net.modelChannels()); // (N, model channels)
    backend.timestepEmbedding(t, MAX_PERIOD, waves);
    var hidden = workspace.take(n, net.embedding()); // (N, D)
    first.forward(waves, hidden);
    if (labels == null) {
      second.forward(hidden, emb);
    } else {
      backend.embed(labels, y, emb);
      second.forward(hidden, null, emb, emb);
    }
    backend.activate(Activation.SILU, emb, emb);
    workspace.release(mark);
  }
}
