package dev.gatun.models.layers;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * The sinusoidal embedding of a timestep, followed by two linear layers with SiLU between them:
 * keys {@code mlp.0} and {@code mlp.2}.
 */
public final class TimestepEmbedding {
  private static final double MAX_PERIOD = 10000;

  private final Backend backend;
  private final int frequencies;
  private final int width;
  private final Linear first;
  private final Linear second;

  public TimestepEmbedding(Weights weights, String prefix, int frequencies, int width) {
    backend = weights.backend();
    this.frequencies = frequencies;
    this.width = width;
    first = new Linear(weights, prefix + ".mlp.0", frequencies, width, Activation.SILU);
    second = new Linear(weights, prefix + ".mlp.2", width, width);
  }

  /** {@code [N] → [N, D]}, added to what {@code onto} holds. */
  public void addTo(Tensor t, Tensor onto, Workspace workspace) {
    int mark = workspace.mark();
    var waves = workspace.take(t.dim(0), frequencies); // (N, 256)
    var hidden = workspace.take(t.dim(0), width); // (N, D)
    backend.timestepEmbedding(t, MAX_PERIOD, waves);
    first.forward(waves, hidden);
    second.forward(hidden, null, onto, onto);
    workspace.release(mark);
  }
}
