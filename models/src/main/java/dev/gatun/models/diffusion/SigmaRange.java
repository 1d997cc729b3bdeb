package dev.gatun.models.diffusion;

/**
 * The noise levels that a network knows, in σ-space.
 *
 * @param least the smallest
 * @param most the largest
 */
record SigmaRange(double least, double most) {
  /** Where a discrete schedule ends here: λ = -5.1, beyond which there is but noise. */
  private static final double MOST_SIGMA = Math.exp(5.1);

  /** Those of a process. */
  static SigmaRange of(DiffusionProcess process) {
    return switch (process) {
      case DiffusionProcess.Discrete discrete -> {
        var schedule = discrete.schedule();
        double last = schedule.sigma(schedule.steps() - 1);
        yield new SigmaRange(schedule.sigma(0), Math.min(last, MOST_SIGMA));
      }
      case DiffusionProcess.Continuous(NoiseCurve curve, Prediction _) ->
          new SigmaRange(
              Math.exp(-curve.lambda(curve.end())), Math.exp(-curve.lambda(curve.start())));
      case DiffusionProcess.Edm edm -> new SigmaRange(edm.sigmaMin(), edm.sigmaMax());
    };
  }

  /** As a sampler with these settings takes them. */
  SigmaSchedule levels(DiffusionProcess process, SamplerSettings settings) {
    int steps = settings.steps();
    var levels = settings.levels() == null ? SamplerSettings.Levels.KARRAS : settings.levels();
    return switch (levels) {
      case KARRAS -> SigmaSchedule.karras(steps, least, most, 7);
      case EXPONENTIAL -> SigmaSchedule.exponential(steps, least, most);
      case POLYEXPONENTIAL -> SigmaSchedule.polyexponential(steps, least, most, 2);
      case VP -> {
        var vp = AblationSampler.SigmaOfTime.Vp.between(least, most, 1e-3);
        yield SigmaSchedule.vp(steps, vp.betaD(), vp.betaMin(), 1e-3);
      }
      case NATIVE ->
          switch (process) {
            case DiffusionProcess.Discrete discrete -> SigmaSchedule.of(discrete.schedule(), steps);
            case DiffusionProcess.Continuous continuous ->
                SigmaSchedule.of(continuous.curve().discretised(Samplers.STEPS_OF_A_CURVE), steps);
            case DiffusionProcess.Edm _ -> SigmaSchedule.karras(steps, least, most, 7);
          };
    };
  }
}
