package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/**
 * The gradient of classifier guidance: {@code g = s·∇_x log p(y | x)}, the scale s included
 * ("Diffusion Models Beat GANs on Image Synthesis", P. Dhariwal, A. Nichol, 2021).
 */
@FunctionalInterface
public interface Gradient {
  /**
   * Evaluates the gradient.
   *
   * @param x noisy images {@code [N, H, W, C]}, as the network sees them
   * @param t their time, as the network is told it
   * @param out {@code [N, H, W, C]}
   */
  void at(Tensor x, double t, Tensor out);
}
