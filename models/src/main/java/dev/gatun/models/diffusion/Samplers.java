package dev.gatun.models.diffusion;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The samplers by name, and which of them fits a network: {@code Samplers.of("dpmpp-2m", process,
 * SamplerSettings.steps(20))}.
 */
public final class Samplers {
  /** How many steps a continuous diffusion is cut into for the samplers that count them. */
  static final int STEPS_OF_A_CURVE = 1000;

  /** What a sampler can be told beside the number of steps. */
  public enum Option {
    /** A correction of the predicted image. */
    CLIP,
    ETA,
    CHURN,
    ORDER,
    SPACING,
    LEVELS,
    RESPACING
  }

  /**
   * A sampler.
   *
   * @param name as {@link #of} takes it
   * @param summary what it is, in a few words
   * @param options what it can be told
   */
  public record Entry(String name, String summary, Set<Option> options) {
    private static Entry of(String name, String summary, Option... options) {
      var set = EnumSet.noneOf(Option.class);
      set.addAll(List.of(options));
      return new Entry(name, summary, Set.copyOf(set));
    }

    /** Whether it makes images of noise; {@code ddim-reverse} makes noise of images. */
    public boolean makesImages() {
      return !name.equals("ddim-reverse");
    }
  }

  private static final List<Entry> ALL =
      List.of(
          Entry.of("ddpm", "ancestral sampling of DDPM", Option.CLIP, Option.RESPACING),
          Entry.of(
              "ddim", "DDIM, without noise for eta 0", Option.CLIP, Option.ETA, Option.RESPACING),
          Entry.of("ddim-reverse", "DDIM from images to noise", Option.CLIP, Option.RESPACING),
          Entry.of("em-sde", "Euler–Maruyama for the reverse SDE"),
          Entry.of("em-ode", "Euler for the probability flow ODE"),
          Entry.of("dpm-solver", "DPM-Solver, multistep", Option.ORDER, Option.SPACING),
          Entry.of(
              "dpm-solver++", "DPM-Solver++, multistep", Option.CLIP, Option.ORDER, Option.SPACING),
          Entry.of("dpm-solver-single", "DPM-Solver, singlestep", Option.ORDER, Option.SPACING),
          Entry.of(
              "dpm-solver++-single",
              "DPM-Solver++, singlestep",
              Option.CLIP,
              Option.ORDER,
              Option.SPACING),
          Entry.of("dpm-solver-fast", "DPM-Solver-fast of U-ViT's continuous models"),
          Entry.of("dpm-solver++-fast", "DPM-Solver++ of U-ViT's discrete models", Option.CLIP),
          Entry.of("dpm-solver-adaptive", "DPM-Solver with steps of its own choice", Option.ORDER),
          Entry.of(
              "dpm-solver++-adaptive",
              "DPM-Solver++ with steps of its own choice",
              Option.CLIP,
              Option.ORDER),
          Entry.of("edm", "Heun's method of EDM", Option.CLIP, Option.CHURN, Option.LEVELS),
          Entry.of("edm-euler", "Euler's method of EDM", Option.CLIP, Option.CHURN, Option.LEVELS),
          Entry.of("heun", "another name of edm", Option.CLIP, Option.CHURN, Option.LEVELS),
          Entry.of("euler", "another name of edm-euler", Option.CLIP, Option.CHURN, Option.LEVELS),
          Entry.of("euler-a", "Euler with ancestral noise", Option.CLIP, Option.ETA, Option.LEVELS),
          Entry.of("dpm2", "the midpoint in log sigma", Option.CLIP, Option.CHURN, Option.LEVELS),
          Entry.of("dpm2-a", "dpm2 with ancestral noise", Option.CLIP, Option.ETA, Option.LEVELS),
          Entry.of("lms", "linear multistep", Option.CLIP, Option.ORDER, Option.LEVELS),
          Entry.of(
              "dpmpp-2s-a",
              "DPM-Solver++(2S) with ancestral noise",
              Option.CLIP,
              Option.ETA,
              Option.LEVELS),
          Entry.of("dpmpp-sde", "DPM-Solver++ for the SDE", Option.CLIP, Option.ETA, Option.LEVELS),
          Entry.of("dpmpp-2m", "DPM-Solver++(2M)", Option.CLIP, Option.LEVELS),
          Entry.of(
              "dpmpp-2m-sde",
              "DPM-Solver++(2M) for the SDE",
              Option.CLIP,
              Option.ETA,
              Option.LEVELS),
          Entry.of(
              "dpmpp-3m-sde",
              "DPM-Solver++(3M) for the SDE",
              Option.CLIP,
              Option.ETA,
              Option.LEVELS),
          Entry.of("dpm-fast", "DPM-Solver-fast in log sigma", Option.CLIP, Option.ETA),
          Entry.of(
              "dpm-adaptive",
              "DPM-Solver in log sigma with steps of its own choice",
              Option.CLIP,
              Option.ETA,
              Option.ORDER));

  private Samplers() {}

  /** All samplers. */
  public static List<Entry> all() {
    return ALL;
  }

  /** The names of all samplers. */
  public static List<String> names() {
    return ALL.stream().map(Entry::name).toList();
  }

  /**
   * A sampler by name, in any case.
   *
   * @throws IllegalArgumentException if there is none; the message lists them
   */
  public static Entry entry(String name) {
    var lower = name.toLowerCase(Locale.ROOT);
    for (var entry : ALL) {
      if (entry.name().equals(lower)) {
        return entry;
      }
    }
    throw new IllegalArgumentException(
        "there is no sampler '" + name + "'; there are " + String.join(", ", names()));
  }

  /**
   * A sampler for a network.
   *
   * @param name one of {@link #names}, in any case
   * @param process what the network was trained to reverse
   * @throws IllegalArgumentException if there is no such sampler, it cannot sample such a network,
   *     or it does not have a setting that was made
   */
  public static Sampling of(String name, DiffusionProcess process, SamplerSettings settings) {
    var entry = entry(name);
    requireOptions(entry, settings);
    return switch (entry.name()) {
      case "ddpm", "ddim", "ddim-reverse" -> unwrapped(ofSteps(entry.name(), process, settings));
      case "em-sde", "em-ode" -> {
        var curve = new OnCurve(entry.name(), process, settings);
        yield unwrapped(curve.eulerMaruyama(entry.name().equals("em-sde")));
      }
      default ->
          entry.name().startsWith("dpm-solver")
              ? unwrapped(new OnCurve(entry.name(), process, settings).dpmSolver())
              : inSigmaSpace(entry.name(), process, settings);
    };
  }

  private static void requireOptions(Entry entry, SamplerSettings settings) {
    var made = new ArrayList<Option>();
    if (!(settings.correction() instanceof X0Correction.None)) {
      made.add(Option.CLIP);
    }
    if (settings.eta() != null) {
      made.add(Option.ETA);
    }
    if (settings.churn().amount() > 0) {
      made.add(Option.CHURN);
    }
    if (settings.order() > 0) {
      made.add(Option.ORDER);
    }
    if (settings.spacing() != null) {
      made.add(Option.SPACING);
    }
    if (settings.levels() != null) {
      made.add(Option.LEVELS);
    }
    if (settings.respacing() != null) {
      made.add(Option.RESPACING);
    }
    made.removeAll(entry.options());
    if (!made.isEmpty()) {
      var taking =
          ALL.stream()
              .filter(other -> other.options().contains(made.getFirst()))
              .filter(Entry::makesImages)
              .map(Entry::name)
              .collect(Collectors.joining(", "));
      throw new IllegalArgumentException(
          entry.name()
              + " takes no "
              + made.getFirst().name().toLowerCase(Locale.ROOT)
              + "; leave it out, or choose one of "
              + taking);
    }
  }

  private static Sampling unwrapped(Sampler sampler) {
    return new Sampling(sampler, null, X0Correction.none());
  }

  // ----------------------------------------------------------------------------------------
  // in the steps of a schedule

  private static Sampler ofSteps(String name, DiffusionProcess process, SamplerSettings settings) {
    NoiseSchedule training;
    Prediction prediction;
    var variance = Variance.FIXED_SMALL;
    switch (process) {
      case DiffusionProcess.Discrete discrete -> {
        training = discrete.schedule();
        prediction = discrete.prediction();
        variance = discrete.variance();
      }
      case DiffusionProcess.Continuous(NoiseCurve curve, Prediction predicted) -> {
        training = curve.discretised(STEPS_OF_A_CURVE);
        prediction = predicted;
      }
      case DiffusionProcess.Edm _ -> throw needsEpsilon(name);
    }
    var schedule = training.respace(respacing(name, settings, training.steps()));
    return switch (name) {
      case "ddpm" -> new DdpmSampler(schedule, prediction, variance, settings.correction());
      case "ddim" -> new DdimSampler(schedule, prediction, settings.correction(), eta(settings, 0));
      default ->
          // the last step would leave only the noise of that step: the authors leave it out
          new DdimReverse(
              schedule, prediction, settings.correction(), Math.max(1, schedule.steps() - 1));
    };
  }

  /**
   * Even strides for DDIM where there are any for this number of steps, else the even spread of
   * DDPM.
   */
  private static Respacing respacing(String name, SamplerSettings settings, int trained) {
    if (settings.respacing() != null) {
      return settings.respacing();
    }
    int steps = settings.steps();
    if (!name.equals("ddpm")) {
      int stride = Math.ceilDiv(trained, steps);
      if (steps <= trained && Math.ceilDiv(trained, stride) == steps) {
        return new Respacing.Strided(steps);
      }
    }
    return new Respacing.Sections(List.of(steps));
  }

  private static IllegalArgumentException needsEpsilon(String name) {
    return new IllegalArgumentException(
        name
            + " cannot sample a network that was trained in EDM's noise levels: choose edm, euler-a,"
            + " dpmpp-2m or another one of sigma space");
  }

  private static double eta(SamplerSettings settings, double otherwise) {
    return settings.eta() == null ? otherwise : settings.eta();
  }

  // ----------------------------------------------------------------------------------------
  // on a curve

  /** A network on the curve of its training. */
  private record OnCurve(
      String name, NoiseCurve curve, Prediction prediction, SamplerSettings settings) {
    OnCurve(String name, DiffusionProcess process, SamplerSettings settings) {
      this(
          name,
          switch (process) {
            case DiffusionProcess.Discrete discrete -> InterpolatedVp.clipped(discrete.schedule());
            case DiffusionProcess.Continuous continuous -> continuous.curve();
            case DiffusionProcess.Edm _ -> throw needsEpsilon(name);
          },
          switch (process) {
            case DiffusionProcess.Discrete discrete -> discrete.prediction();
            case DiffusionProcess.Continuous continuous -> continuous.prediction();
            case DiffusionProcess.Edm _ -> throw needsEpsilon(name);
          },
          settings);
    }

    Sampler eulerMaruyama(boolean stochastic) {
      return new EulerMaruyama(curve, prediction, settings.steps(), stochastic);
    }

    Sampler dpmSolver() {
      boolean image = name.startsWith("dpm-solver++");
      var solver =
          (image ? DpmSolver.image(curve, prediction) : DpmSolver.noise(curve, prediction))
              .with(settings.correction());
      var method = name.substring(image ? "dpm-solver++".length() : "dpm-solver".length());
      int steps = settings.steps();
      int order = settings.order() > 0 ? settings.order() : 2;
      return switch (method) {
        case "" -> solver.multistep(steps, Math.min(order, steps), spacing(Spacing.TIME));
        case "-single" -> solver.singlestep(steps, Math.min(order, steps), spacing(Spacing.TIME));
        case "-fast" ->
            (image ? solver : toTheEnd(solver))
                .singlestep(steps, Math.min(3, steps), image ? Spacing.TIME : Spacing.LAMBDA);
        default -> solver.adaptive(settings.order() > 0 ? order : 3);
      };
    }

    private Spacing spacing(Spacing otherwise) {
      return settings.spacing() == null ? otherwise : settings.spacing();
    }

    /** U-ViT's authors go on to 10⁻⁴ where the curve does. */
    private DpmSolver toTheEnd(DpmSolver solver) {
      return curve instanceof InterpolatedVp ? solver : solver.between(curve.start(), 1e-4);
    }
  }

  // ----------------------------------------------------------------------------------------
  // in σ-space

  private static Sampling inSigmaSpace(
      String name, DiffusionProcess process, SamplerSettings settings) {
    var range = SigmaRange.of(process);
    var ancestral = new Ancestral(eta(settings, 1), 1);
    var churn = settings.churn();
    var sampler =
        switch (name) {
          case "dpm-fast" ->
              new DpmFastSampler(
                  range.least(),
                  range.most(),
                  settings.steps(),
                  new Ancestral(eta(settings, 0), 1));
          case "dpm-adaptive" ->
              new DpmAdaptiveSampler(
                  range.least(),
                  range.most(),
                  settings.order() > 0 ? settings.order() : 3,
                  DpmAdaptiveSampler.DEFAULT_TOLERANCE,
                  new Ancestral(eta(settings, 0), 1));
          default -> {
            var sigmas = range.levels(process, settings);
            yield switch (name) {
              case "edm", "heun" -> new HeunSampler(sigmas, churn);
              case "edm-euler", "euler" -> new EulerSampler(sigmas, churn);
              case "euler-a" -> new EulerAncestralSampler(sigmas, ancestral);
              case "dpm2" -> new Dpm2Sampler(sigmas, churn);
              case "dpm2-a" -> new Dpm2AncestralSampler(sigmas, ancestral);
              case "lms" -> new LmsSampler(sigmas, settings.order() > 0 ? settings.order() : 4);
              case "dpmpp-2s-a" -> new Dpmpp2sAncestralSampler(sigmas, ancestral);
              case "dpmpp-sde" -> new DpmppSdeSampler(sigmas, ancestral, true);
              case "dpmpp-2m" -> new Dpmpp2mSampler(sigmas);
              case "dpmpp-2m-sde" -> new Dpmpp2mSdeSampler(sigmas, ancestral, false);
              case "dpmpp-3m-sde" -> new Dpmpp3mSdeSampler(sigmas, ancestral);
              default -> throw new IllegalStateException(name);
            };
          }
        };
    return new Sampling(sampler, preconditioning(process), settings.correction());
  }

  private static Preconditioning preconditioning(DiffusionProcess process) {
    return switch (process) {
      case DiffusionProcess.Discrete discrete ->
          new Preconditioning.Vp(
              new NetworkTime.OfSteps(discrete.schedule(), false), discrete.prediction());
      case DiffusionProcess.Continuous(NoiseCurve curve, Prediction prediction) ->
          new Preconditioning.Vp(new NetworkTime.OfCurve(curve), prediction);
      case DiffusionProcess.Edm edm -> edm.preconditioning();
    };
  }
}
