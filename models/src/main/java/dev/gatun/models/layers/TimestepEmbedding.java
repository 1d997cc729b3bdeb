package dev.gatun.models.layers;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** The sinusoidal embedding of a timestep, followed by two linear layers with SiLU between them. */
public final class TimestepEmbedding {
  private static final double MAX_PERIOD = 10000;

  private final Backend backend;
  private final int frequencies;
  private final int width;
  private final Linear first;
  private final Linear second;

  /** With the keys {@code mlp.0} and {@code mlp.2} of DiT. */
  public TimestepEmbedding(Weights weights, String prefix, int frequencies, int width) {
    this(weights, prefix + ".mlp.0", prefix + ".mlp.2", frequencies, width);
  }

  /**
   * With other keys for the two layers.
   *
   * @param frequencies width of the sinusoidal embedding
   * @param width of the result
   */
  public TimestepEmbedding(
      Weights weights, String first, String second, int frequencies, int width) {
    backend = weights.backend();
    this.frequencies = frequencies;
    this.width = width;
    this.first = new Linear(weights, first, frequencies, width, Activation.SILU);
    this.second = new Linear(weights, second, width, width);
  }

  /** {@code [N] → [N, D]}, added to what {@code onto} holds. */
  public void addTo(Tensor t, Tensor onto, Workspace workspace) {
    embed(t, onto, workspace, onto);
  }

  /** {@code [N] → [N, D]}. */
  public void forward(Tensor t, Workspace workspace, Tensor out) {
    embed(t, null, workspace, out);
  }

  private void embed(Tensor t, Tensor residual, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    var waves = workspace.take(t.dim(0), frequencies); // (N, 256)
    var hidden = workspace.take(t.dim(0), width); // (N, D)
    backend.timestepEmbedding(t, MAX_PERIOD, waves);
    first.forward(waves, hidden);
    second.forward(hidden, null, residual, out);
    workspace.release(mark);
  }
}
