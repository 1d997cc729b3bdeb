package dev.gatun.models.vae;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * The normal distribution of latents that encoding gives, every number for itself: {@code mean} and
 * {@code logvar}, clamped to [-30, 20].
 */
public final class DiagonalGaussian {
  private static final double MIN_LOGVAR = -30;
  private static final double MAX_LOGVAR = 20;

  private final Backend backend;
  private final Tensor mean;
  private final Tensor logvar;

  /**
   * @param moments {@code [N, h, w, 2C]}: means, then log-variances, which are clamped in place;
   *     not owned
   */
  public DiagonalGaussian(Backend backend, Tensor moments) {
    this.backend = backend;
    int c = moments.shape().cols() / 2;
    mean = moments.columns(0, c);
    logvar = moments.columns(c, 2 * c);
    backend.clamp(logvar, MIN_LOGVAR, MAX_LOGVAR, logvar);
  }

  /** {@code [N, h, w, C]}, a view of the moments. */
  public Tensor mean() {
    return mean;
  }

  /** {@code [N, h, w, C]}, a view of the moments. */
  public Tensor logvar() {
    return logvar;
  }

  /**
   * The most likely latents: {@code out = scale·mean}.
   *
   * @param scale the {@linkplain AutoencoderKLConfig#scalingFactor scaling factor}, or 1
   */
  public void mode(double scale, Tensor out) {
    backend.combine(scale, mean, 0, null, out);
  }

  /**
   * A sample: {@code out = scale·(mean + exp(½ logvar)·noise)}.
   *
   * @param noise {@code [N, h, w, C]}, standard normal; may be out
   * @param scale the {@linkplain AutoencoderKLConfig#scalingFactor scaling factor}, or 1
   */
  public void sample(Tensor noise, double scale, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    var std = workspace.take(mean.dim(0), mean.dim(1), mean.dim(2), mean.dim(3)); // (N, h, w, C)
    backend.exp(0.5, logvar, 0, std);
    backend.multiplyAdd(std, noise, mean, out);
    backend.combine(scale, out, 0, null, out);
    workspace.release(mark);
  }
}
