package dev.gatun.models.diffusion;

import dev.gatun.runtime.Tensor;

/**
 * The steps of {@link DpmSolver} from a time s to a time t, as in the papers' algorithms.
 *
 * <p>With m the predicted image (DPM-Solver++) or noise (DPM-Solver), {@code h = λ_t - λ_s} and
 *
 * <ul>
 *   <li>image: {@code A = σ_t/σ_s}, c = α_t, z = -h
 *   <li>noise: {@code A = α_t/α_s}, c = σ_t, z = h
 * </ul>
 *
 * both are {@code x_t = A·x_s - c·(φ_1·m + φ_2·m' + φ_3·m'')} with differences m', m'' of m, {@code
 * φ_1 = e^z - 1}, {@code φ_2 = φ_1/z - 1}, {@code φ_3 = φ_2/z - ½}.
 */
final class DpmSteps {
  private final Run run;
  private final DpmSolver solver;
  private final NoiseCurve curve;
  private final boolean image;
  private final CurveNetwork network;

  // of the step at hand
  private double h;
  private double a;
  private double c;
  private double phi1;
  private double phi2;
  private double phi3;

  DpmSteps(Run run, DpmSolver solver) {
    this.run = run;
    this.solver = solver;
    curve = solver.curve();
    image = solver.form() == DpmSolver.Form.IMAGE;
    network = new CurveNetwork(run, curve, solver.prediction(), solver.correction());
  }

  /** m of images at a time. */
  void predict(Tensor x, double t, Tensor m) {
    if (image) {
      network.image(x, t, m);
    } else {
      network.epsilon(x, t, m);
    }
  }

  /** The predicted image, given m. */
  void image(Tensor x, double t, Tensor m, Tensor x0) {
    if (image) {
      run.backend.copy(m, x0);
    } else {
      network.imageOf(x, t, m, x0);
    }
  }

  /** The image predicted at the end takes the place of the images. */
  void denoise(Tensor x, double t, Tensor x0) {
    network.image(x, t, x0);
    run.backend.copy(x0, x);
  }

  /** What the settings ask for after a step. */
  void correct(Tensor x, double t, int step) {
    if (solver.stateCorrection() != null) {
      solver.stateCorrection().correct(x, t, step);
    }
  }

  private void from(double s, double t) {
    h = curve.lambda(t) - curve.lambda(s);
    double z = image ? -h : h;
    a = image ? curve.sigma(t) / curve.sigma(s) : Math.exp(curve.logAlpha(t) - curve.logAlpha(s));
    c = image ? curve.alpha(t) : curve.sigma(t);
    phi1 = Math.expm1(z);
    phi2 = phi1 / z - 1;
    phi3 = phi2 / z - 0.5;
  }

  /** The time where a part r of a step in λ is done. */
  private double between(double s, double t, double r) {
    double lambda = curve.lambda(s);
    return curve.inverseLambda(lambda + r * (curve.lambda(t) - lambda));
  }

  /** Order 1, DDIM: {@code x_t = A·x - c·φ_1·m}. */
  void first(Tensor x, double s, double t, Tensor m, Tensor out) {
    from(s, t);
    run.combine(a, x, -c * phi1, m, out);
  }

  /** The factor of m' in a step of order 2. */
  private double derivative() {
    return -c * (solver.taylor() ? phi2 : phi1 / 2);
  }

  /**
   * Order 2 of one step: m1 is m at the part r of it, m' = (m1 - m)/r.
   *
   * @param m1 written where {@code evaluate}, else read
   */
  void second(
      Tensor x, double s, double t, double r, Tensor m, boolean evaluate, Tensor m1, Tensor out) {
    if (evaluate) {
      double s1 = between(s, t, r);
      first(x, s, s1, m, out);
      predict(out, s1, m1);
    }
    from(s, t);
    double d = derivative() / r;
    run.combine(a, x, -c * phi1 - d, m, out);
    run.add(d, m1, out);
  }

  /**
   * Order 3 of one step: m1 is m at the part r1 of it, m2 at r2.
   *
   * @param m1 written where {@code evaluate}, else read
   * @param m2 written
   */
  void third(
      Tensor x,
      double s,
      double t,
      double r1,
      double r2,
      Tensor m,
      boolean evaluate,
      Tensor m1,
      Tensor m2,
      Tensor out) {
    if (evaluate) {
      double s1 = between(s, t, r1);
      first(x, s, s1, m, out);
      predict(out, s1, m1);
    }
    // to the part r2, with m' = (m1 - m)/r1 and φ_2 of that part, whose own z is r2·z
    double s2 = between(s, t, r2);
    from(s, s2);
    double d = -c * phi2 * r2 / r1;
    run.combine(a, x, -c * phi1 - d, m, out);
    run.add(d, m1, out);
    predict(out, s2, m2);

    from(s, t);
    double of1 = 0;
    double of2 = -c * phi2 / r2; // m' = (m2 - m)/r2
    if (solver.taylor()) {
      // m' = (r2·d1 - r1·d2)/(r2 - r1), m'' = 2(d2 - d1)/(r2 - r1), with d_i = (m_i - m)/r_i
      of1 = -c * (phi2 * r2 - phi3 * 2) / ((r2 - r1) * r1);
      of2 = -c * (phi3 * 2 - phi2 * r1) / ((r2 - r1) * r2);
    }
    run.combine(a, x, -c * phi1 - of1 - of2, m, out);
    if (of1 != 0) {
      run.add(of1, m1, out);
    }
    run.add(of2, m2, out);
  }

  /**
   * Order 2 with the prediction before: {@code m' = (m0 - m1)/r}, r the length of the step before,
   * from s1 to s, in steps.
   */
  void secondAfter(Tensor x, double s1, double s, double t, Tensor m0, Tensor m1, Tensor out) {
    from(s, t);
    double r = (curve.lambda(s) - curve.lambda(s1)) / h;
    double d = derivative() / r;
    run.combine(a, x, -c * phi1 + d, m0, out);
    run.add(-d, m1, out);
  }

  /** Order 3 with the two predictions before, at s2 and s1: divided differences of m. */
  void thirdAfter(
      Tensor x,
      double s2,
      double s1,
      double s,
      double t,
      Tensor m0,
      Tensor m1,
      Tensor m2,
      Tensor out) {
    from(s, t);
    double r0 = (curve.lambda(s) - curve.lambda(s1)) / h;
    double r1 = (curve.lambda(s1) - curve.lambda(s2)) / h;
    // d0 = (m0-m1)/r0, d1 = (m1-m2)/r1, m' = d0 + r0/(r0+r1)·(d0-d1), m'' = (d0-d1)/(r0+r1)
    double bend = (phi2 * r0 + phi3) / (r0 + r1);
    double ofD0 = -c * (phi2 + bend) / r0;
    double ofD1 = c * bend / r1;
    run.combine(a, x, -c * phi1 + ofD0, m0, out);
    run.add(ofD1 - ofD0, m1, out);
    run.add(-ofD1, m2, out);
  }
}
