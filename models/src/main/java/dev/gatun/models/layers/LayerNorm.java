package dev.gatun.models.layers;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;

/** Layer normalisation; with affine, keys {@code weight [C]} and {@code bias [C]}. */
public final class LayerNorm {
  private final Backend backend;
  private final float eps;
  private final Tensor gamma;
  private final Tensor beta;

  /** Without affine: there are no weights, only the backend is asked for. */
  public LayerNorm(Weights weights, float eps) {
    backend = weights.backend();
    this.eps = eps;
    gamma = null;
    beta = null;
  }

  /** With affine. */
  public LayerNorm(Weights weights, String prefix, int channels, float eps) {
    backend = weights.backend();
    this.eps = eps;
    gamma = weights.tensor(prefix + ".weight", channels);
    beta = weights.tensor(prefix + ".bias", channels);
  }

  /** {@code [.., C] → [.., C]}; out may be x. */
  public void forward(Tensor x, Tensor out) {
    backend.layerNorm(x, gamma, beta, null, null, eps, out);
  }
}
