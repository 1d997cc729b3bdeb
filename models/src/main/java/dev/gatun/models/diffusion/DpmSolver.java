package dev.gatun.models.diffusion;

import java.util.Objects;

/**
 * What the samplers of "DPM-Solver" (C. Lu and others, 2022) and "DPM-Solver++" (2022) have in
 * common: the curve, and in which form they solve its ODE. {@link #noise} and {@link #image} give
 * the two algorithms with the authors' defaults, the {@code with…} methods change them, and {@link
 * #multistep}, {@link #singlestep} and {@link #adaptive} make samplers of it.
 *
 * @param curve how noise grows with time
 * @param prediction what the network predicts, in whatever form
 * @param form what is integrated
 * @param taylor whether the second derivative is that of Taylor's expansion, not the one that the
 *     paper's algorithms use: {@code solver_type} of the authors
 * @param correction of the predicted image; {@link Form#NOISE} only uses it for {@code
 *     denoiseToZero}
 * @param start the time to start from
 * @param end the time to arrive at; above start, images are encoded
 * @param denoiseToZero whether the result is the image predicted at the end: one evaluation more
 * @param stateCorrection applied to the images after each step; null for none
 */
public record DpmSolver(
    NoiseCurve curve,
    Prediction prediction,
    Form form,
    boolean taylor,
    X0Correction correction,
    double start,
    double end,
    boolean denoiseToZero,
    StateCorrection stateCorrection) {

  /** The quantity that is integrated exactly but for its change. */
  public enum Form {
    /** The predicted noise: DPM-Solver. */
    NOISE,
    /** The predicted image: DPM-Solver++, for guidance with large scales. */
    IMAGE
  }

  public DpmSolver {
    Objects.requireNonNull(curve, "curve");
    Objects.requireNonNull(form, "form");
    Objects.requireNonNull(correction, "correction");
    prediction.requireAnyTime("dpm-solver");
    if (!(start > 0 && end > 0 && start <= 1 && end <= 1 && start != end)) {
      throw new IllegalArgumentException(
          "dpm-solver from time "
              + start
              + " to "
              + end
              + ": give two different times above 0, at most 1");
    }
  }

  private static DpmSolver of(NoiseCurve curve, Prediction prediction, Form form) {
    return new DpmSolver(
        curve,
        prediction,
        form,
        false,
        X0Correction.none(),
        curve.start(),
        curve.end(),
        false,
        null);
  }

  /** DPM-Solver, from the start of a curve to its end. */
  public static DpmSolver noise(NoiseCurve curve, Prediction prediction) {
    return of(curve, prediction, Form.NOISE);
  }

  /** DPM-Solver++, from the start of a curve to its end. */
  public static DpmSolver image(NoiseCurve curve, Prediction prediction) {
    return of(curve, prediction, Form.IMAGE);
  }

  /** With derivatives of Taylor's expansion. */
  public DpmSolver withTaylor() {
    return new DpmSolver(
        curve, prediction, form, true, correction, start, end, denoiseToZero, stateCorrection);
  }

  /** With a correction of the predicted image. */
  public DpmSolver with(X0Correction x0Correction) {
    return new DpmSolver(
        curve, prediction, form, taylor, x0Correction, start, end, denoiseToZero, stateCorrection);
  }

  /** With a correction of the images after each step. */
  public DpmSolver with(StateCorrection xCorrection) {
    return new DpmSolver(
        curve, prediction, form, taylor, correction, start, end, denoiseToZero, xCorrection);
  }

  /** Between other times. */
  public DpmSolver between(double from, double to) {
    return new DpmSolver(
        curve, prediction, form, taylor, correction, from, to, denoiseToZero, stateCorrection);
  }

  /** In the other direction: from images to the noise that leads to them. */
  public DpmSolver inverse() {
    return between(end, start);
  }

  /** With a last prediction of the image at the end. */
  public DpmSolver withDenoiseToZero() {
    return new DpmSolver(
        curve, prediction, form, taylor, correction, start, end, true, stateCorrection);
  }

  /** Each step uses the predictions before it; one evaluation a step. */
  public DpmSolverMultistep multistep(int steps, int order, Spacing spacing) {
    return new DpmSolverMultistep(this, steps, order, spacing, true);
  }

  /** Each step makes its own predictions, as many as its order; {@code steps} in all. */
  public DpmSolverSinglestep singlestep(int steps, int order, Spacing spacing) {
    return new DpmSolverSinglestep(this, steps, order, spacing, false);
  }

  /** Steps as long as an estimate of their error allows. */
  public DpmSolverAdaptive adaptive(int order) {
    return new DpmSolverAdaptive(this, order, DpmSolverAdaptive.Tolerance.DEFAULT);
  }
}
