package dev.gatun.models.layers;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;

/** Group normalisation with affine: keys {@code weight [C]} and {@code bias [C]}. */
public final class GroupNorm {
  private final Backend backend;
  private final int groups;
  private final float eps;
  private final Tensor gamma;
  private final Tensor beta;

  public GroupNorm(Weights weights, String prefix, int channels, int groups, float eps) {
    backend = weights.backend();
    this.groups = groups;
    this.eps = eps;
    gamma = weights.tensor(prefix + ".weight", channels);
    beta = weights.tensor(prefix + ".bias", channels);
  }

  /** {@code out = activation(norm(x))}; out may be x. */
  public void forward(Tensor x, Activation activation, Tensor out) {
    backend.groupNorm(x, groups, gamma, beta, null, null, eps, activation, out);
  }

  /** {@code out = activation(norm(x)·(1 + scale) + shift)}, both {@code [N, C]}; out may be x. */
  public void forward(Tensor x, Tensor shift, Tensor scale, Activation activation, Tensor out) {
    backend.groupNorm(x, groups, gamma, beta, shift, scale, eps, activation, out);
  }
}
