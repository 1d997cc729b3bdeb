package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Objects;

/**
 * The general sampler of "Elucidating the Design Space of Diffusion-Based Generative Models" (T.
 * Karras and others, 2022), in which the samplers of other papers are choices: algorithm 2
 * generalised to any noise schedule σ(t) and scaling s(t) of the images (equation 4), {@code dx/dt
 * = (σ'/σ + s'/s)·x - (σ'·s/σ)·D(x/s; σ)}.
 *
 * @param sigmas the noise levels, whose times are the steps
 * @param schedule σ(t)
 * @param scaled whether {@code s = 1/√(1+σ²)}, as VP models have it, else 1
 * @param secondOrder whether each step but the last has a second stage, else Euler's method
 * @param alpha where the second stage lies, in 0 … 1: 1 for Heun's method, ½ for the midpoint
 * @param churn noise on the way
 */
public record AblationSampler(
    SigmaSchedule sigmas,
    SigmaOfTime schedule,
    boolean scaled,
    boolean secondOrder,
    double alpha,
    Churn churn)
    implements Sampler {
  public AblationSampler {
    Objects.requireNonNull(sigmas, "sigmas");
    Objects.requireNonNull(schedule, "schedule");
    Objects.requireNonNull(churn, "churn");
    if (!(alpha > 0 && alpha <= 1)) {
      throw new IllegalArgumentException(
          "the second stage lies at " + alpha + ": give a number above 0, at most 1");
    }
  }

  /** σ(t). */
  public sealed interface SigmaOfTime {
    /** σ at a time. */
    double sigma(double t);

    /** Its derivative. */
    double slope(double t);

    /** The time of a σ. */
    double time(double sigma);

    /** {@code σ = √(e^{½β_d·t² + β_min·t} - 1)}: VP models. */
    record Vp(double betaD, double betaMin) implements SigmaOfTime {
      /** The one that has the given levels at times {@code earliest} and 1. */
      public static Vp between(double sigmaMin, double sigmaMax, double earliest) {
        double low = Math.log1p(sigmaMin * sigmaMin);
        double high = Math.log1p(sigmaMax * sigmaMax);
        double betaD = 2 * (low / earliest - high) / (earliest - 1);
        return new Vp(betaD, high - betaD / 2);
      }

      @Override
      public double sigma(double t) {
        return Math.sqrt(Math.expm1(betaD * t * t / 2 + betaMin * t));
      }

      @Override
      public double slope(double t) {
        double sigma = sigma(t);
        return (betaMin + betaD * t) * (sigma + 1 / sigma) / 2;
      }

      @Override
      public double time(double sigma) {
        double log = Math.log1p(sigma * sigma);
        return (Math.sqrt(betaMin * betaMin + 2 * betaD * log) - betaMin) / betaD;
      }
    }

    /** {@code σ = √t}: VE models. */
    record Ve() implements SigmaOfTime {
      @Override
      public double sigma(double t) {
        return Math.sqrt(t);
      }

      @Override
      public double slope(double t) {
        return 0.5 / Math.sqrt(t);
      }

      @Override
      public double time(double sigma) {
        return sigma * sigma;
      }
    }

    /** {@code σ = t}: DDIM and EDM. */
    record Linear() implements SigmaOfTime {
      @Override
      public double sigma(double t) {
        return t;
      }

      @Override
      public double slope(double t) {
        return 1;
      }

      @Override
      public double time(double sigma) {
        return sigma;
      }
    }
  }

  private double scale(double t) {
    double sigma = schedule.sigma(t);
    return scaled ? 1 / Math.sqrt(1 + sigma * sigma) : 1;
  }

  /** {@code s'/s}: for {@code s = (1+σ²)^{-½}} it is {@code -σσ'·s²}. */
  private double relativeScaleSlope(double t) {
    double s = scale(t);
    return scaled ? -schedule.sigma(t) * schedule.slope(t) * s * s : 0;
  }

  @Override
  public void sample(
      Denoiser denoiser,
      Tensor x,
      Noise noise,
      Backend backend,
      Workspace workspace,
      StepListener listener)
      throws InterruptedException {
    int steps = sigmas.steps();
    double t = schedule.time(denoiser.nearest(sigmas.at(0)));
    try (var run =
        Run.inSigmaSpace(
            "ablation",
            schedule.sigma(t) * scale(t),
            denoiser,
            x,
            noise,
            backend,
            workspace,
            listener)) {
      var stage = new Stage(run);
      var x0 = run.take();
      var n = run.take();
      var d = run.take();
      var there = run.take();
      var dThere = run.take();
      for (int i = 0; i < steps; i++) {
        run.beginStep(steps);
        double next = i + 1 == steps ? 0 : schedule.time(run.level(sigmas, i + 1));
        double raised = raise(run, t, n);
        double h = next - raised;
        stage.slope(x, raised, x0, d);
        if (!secondOrder || i + 1 == steps) {
          run.add(h, d, x);
        } else {
          run.combine(1, x, alpha * h, d, there);
          stage.slope(there, raised + alpha * h, dThere, dThere);
          run.add(h * (1 - 1 / (2 * alpha)), d, x);
          run.add(h / (2 * alpha), dThere, x);
        }
        t = next;
        run.endStep(steps, x0);
      }
    }
  }

  /** Brings the images from a time to one with more noise, which it returns. */
  private double raise(Run run, double t, Tensor n) {
    if (churn.amount() == 0) {
      return t;
    }
    double sigma = schedule.sigma(t);
    double raised = schedule.time(run.denoiser.nearest(churn.raised(sigma, sigmas.steps())));
    double more = schedule.sigma(raised);
    double added = Math.sqrt(Math.max(0, more * more - sigma * sigma));
    run.draw(n);
    run.combine(scale(raised) / scale(t), run.x, added * scale(raised) * churn.noise(), n, run.x);
    return raised;
  }

  /** dx/dt. */
  private final class Stage {
    private final Run run;
    private final Tensor unscaled;

    Stage(Run run) {
      this.run = run;
      unscaled = run.take();
    }

    /** Gives the predicted image too; d may be the same tensor. */
    void slope(Tensor x, double t, Tensor x0, Tensor d) {
      double sigma = schedule.sigma(t);
      double relative = schedule.slope(t) / sigma;
      double scale = scale(t);
      run.combine(1 / scale, x, 0, null, unscaled);
      run.denoise(unscaled, sigma, x0);
      run.combine(relative + relativeScaleSlope(t), x, -relative * scale, x0, d);
    }
  }
}
