package dev.gatun.models.layers;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** Two linear layers with an activation between them: keys {@code fc1} and {@code fc2}. */
public final class Mlp {
  private final int hidden;
  private final Linear fc1;
  private final Linear fc2;

  public Mlp(Weights weights, String prefix, int width, int hidden, Activation activation) {
    this.hidden = hidden;
    fc1 = new Linear(weights, prefix + ".fc1", width, hidden, activation);
    fc2 = new Linear(weights, prefix + ".fc2", hidden, width);
  }

  /** {@code x += gate ⊙ fc2(activation(fc1(u)))}. */
  public void forward(Tensor u, Tensor gate, Tensor x, Workspace workspace) {
    int mark = workspace.mark();
    var inner = workspace.takeFactor(u.dim(0), u.dim(1), hidden); // (N, T, 4D)
    fc1.forward(u, inner);
    fc2.forward(inner, gate, x, x);
    workspace.release(mark);
  }
}
