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

  /** The same scale at all times. */
  static GuidanceScale constant(double scale) {
    return t -> scale;
  }

  /**
   * {@code w(t) = 1 + (scale-1)·½(1 - cos(π·(1-t/T)^power))}, which rises from 1 at t = T to the
   * scale at t = 0: DiffiT at 256 pixels, with T = 1000 and power 4 (its {@code forward_with_cfg}).
   */
  static GuidanceScale powerCosine(double scale, double power, double T) {
    return t -> 1 + (scale - 1) * (1 - Math.cos(Math.PI * Math.pow(1 - t / T, power))) / 2;
  }
}
