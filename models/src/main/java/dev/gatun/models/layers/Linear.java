package dev.gatun.models.layers;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;

/** {@code activation(x·Wᵀ + b)}: keys {@code weight [out, in]} and {@code bias [out]}. */
public final class Linear {
  private final Backend backend;
  private final Weight weight;
  private final Epilogue epilogue;

  /** A linear layer with bias. */
  public Linear(Weights weights, String prefix, int in, int out) {
    this(weights, prefix, in, out, Activation.IDENTITY);
  }

  /** A linear layer with bias, followed by an activation. */
  public Linear(Weights weights, String prefix, int in, int out, Activation activation) {
    this(
        weights,
        weights.matrix(prefix + ".weight", out, in),
        new Epilogue(weights.tensor(prefix + ".bias", out), activation));
  }

  /** A linear layer of given parts, for weights that are stored otherwise. */
  public Linear(Weights weights, Weight weight, Epilogue epilogue) {
    this.backend = weights.backend();
    this.weight = weight;
    this.epilogue = epilogue;
  }

  /** {@code [.., in] → [.., out]}. */
  public void forward(Tensor x, Tensor out) {
    backend.linear(x, weight, epilogue, out);
  }

  /** {@code out = residual + gate ⊙ layer(x)}, see {@link Backend#linear}; both may be null. */
  public void forward(Tensor x, Tensor gate, Tensor residual, Tensor out) {
    backend.linear(x, weight, epilogue, gate, residual, out);
  }
}
