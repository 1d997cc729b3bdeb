package dev.gatun.models.diffusion;

/** The scale w of classifier-free guidance as a function of time; 1 is no guidance. */
@FunctionalInterface
public interface GuidanceScale {
  /**
   * The scale at a time.
   *
   * @param t as the network is told it
   */
  double at(double t);

  /**
   * The same scale at all times, as in DiT.
   *
   * @throws IllegalArgumentException if it is not finite
   */
  static GuidanceScale constant(double scale) {
    requireFinite(scale);
    return t -> scale;
  }

  /**
   * The scale in the convention of U-ViT, {@code ε = ε_cond + s·(ε_cond - ε_null)}: w = 1 + s at
   * all times; 0 is no guidance.
   *
   * @throws IllegalArgumentException if it is not finite
   */
  static GuidanceScale added(double s) {
    return constant(1 + s);
  }

  /**
   * {@code w(t) = 1 + (scale-1)·½(1 - cos(π·(1-t/steps)^power))}, which rises from 1 for the most
   * noise to the scale at t = 0: {@code forward_with_cfg} of DiffiT at 256 pixels, whose power is 4
   * and whose steps are the 1000 that it was trained with.
   *
   * @throws IllegalArgumentException if the scale is not finite
   */
  static GuidanceScale powerCosine(double scale, double power, double steps) {
    requireFinite(scale);
    return t -> 1 + (scale - 1) * (1 - Math.cos(Math.PI * Math.pow(1 - t / steps, power))) / 2;
  }

  private static void requireFinite(double scale) {
    if (!Double.isFinite(scale)) {
      throw new IllegalArgumentException(
          "guidance scale is " + scale + ": give a finite number, 1 for no guidance");
    }
  }
}
