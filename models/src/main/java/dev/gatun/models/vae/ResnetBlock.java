package dev.gatun.models.vae;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;

/**
 * {@code shortcut(x) + conv2(SiLU(norm2(conv1(SiLU(norm1(x))))))}: keys {@code norm1}, {@code
 * conv1}, {@code norm2}, {@code conv2}, and {@code nin_shortcut} where the width changes.
 */
final class ResnetBlock implements Stage {
  private final int in;
  private final int out;
  private final GroupNorm norm1;
  private final Conv2d conv1;
  private final GroupNorm norm2;
  private final Conv2d conv2;
  private final Conv2d shortcut;

  ResnetBlock(Weights weights, String prefix, int in, int out, int groups) {
    this.in = in;
    this.out = out;
    norm1 = new GroupNorm(weights, prefix + ".norm1", in, groups, Coder.EPS);
    conv1 = new Conv2d(weights, prefix + ".conv1", in, out, 3);
    norm2 = new GroupNorm(weights, prefix + ".norm2", out, groups, Coder.EPS);
    conv2 = new Conv2d(weights, prefix + ".conv2", out, out, 3);
    shortcut = in == out ? null : new Conv2d(weights, prefix + ".nin_shortcut", in, out, 1);
  }

  /**
   * Three maps at once: the shortcut is computed first, so that x is free to be normalised in
   * place; without one, x itself is the residual and the result's place serves until then.
   */
  @Override
  public void forward(FeatureMaps maps) {
    var x = maps.x(); // (1, H, W, in)
    var next = maps.next(x.dim(1), x.dim(2), out); // (1, H, W, out)
    var h = maps.between(x.dim(1), x.dim(2), out); // (1, H, W, out)
    var residual = shortcut == null ? x : next;
    var u = shortcut == null ? next : x; // (1, H, W, in)
    if (shortcut != null) {
      shortcut.forward(x, next);
    }
    norm1.forward(x, Activation.SILU, u);
    conv1.forward(u, h);
    norm2.forward(h, Activation.SILU, h);
    conv2.forward(h, residual, next);
    maps.turn(next);
  }

  @Override
  public long floatsPerPixel() {
    return in + 2L * out;
  }
}
