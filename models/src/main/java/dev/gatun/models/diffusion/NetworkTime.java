package dev.gatun.models.diffusion;

import java.util.Arrays;
import java.util.Objects;

/** What a network is told at a noise level {@code σ = σ_t/α}. */
public sealed interface NetworkTime {
  /** The time at a noise level. */
  double at(double sigma);

  /** The noise level nearest to a given one that the network knows. */
  default double nearest(double sigma) {
    return sigma;
  }

  /** The time on a continuous curve. EDM's VP models: a {@link LinearVp} told 999·t. */
  record OfCurve(NoiseCurve curve) implements NetworkTime {
    public OfCurve {
      Objects.requireNonNull(curve, "curve");
    }

    @Override
    public double at(double sigma) {
      return curve.networkTime(curve.inverseLambda(-Math.log(sigma)));
    }
  }

  /**
   * The time among the steps of a schedule, linear in log σ between them and constant beyond the
   * first and the last, as k-diffusion has it.
   */
  final class OfSteps implements NetworkTime {
    private final double[] logSigmas;
    private final double[] times;
    private final boolean quantised;

    /**
     * @param schedule the one that the network was trained with
     * @param quantised whether the network is told the time of the nearest step only
     */
    public OfSteps(NoiseSchedule schedule, boolean quantised) {
      int n = schedule.steps();
      logSigmas = new double[n];
      times = new double[n];
      for (int i = 0; i < n; i++) {
        logSigmas[i] = Math.log(schedule.sigma(i));
        times[i] = schedule.time(i);
      }
      this.quantised = quantised;
    }

    @Override
    public double at(double sigma) {
      double logSigma = Math.log(sigma);
      int found = Arrays.binarySearch(logSigmas, logSigma);
      if (found >= 0) {
        return times[found];
      }
      int high = -found - 1; // the first above
      if (high == 0) {
        return times[0];
      }
      if (high == times.length) {
        return times[high - 1];
      }
      double part = (logSigma - logSigmas[high - 1]) / (logSigmas[high] - logSigmas[high - 1]);
      if (quantised) {
        return part > 0.5 ? times[high] : times[high - 1];
      }
      return times[high - 1] + part * (times[high] - times[high - 1]);
    }
  }

  /**
   * The levels of iDDPM as EDM lists them: {@code u_{j-1} = √((u_j² + 1)/max(ā_{j-1}/ā_j, 0.001) -
   * 1)} with {@code ā_j = sin²(½π·j/(1000·1.008))}, from u_1000 = 0 up; the network is told 999
   * less the index of the nearest.
   */
  final class OfIDdpm implements NetworkTime {
    private static final int M = 1000;
    private static final double C1 = 0.001;
    private static final double C2 = 0.008;

    /** u_0 … u_{M-1}, falling. */
    private final double[] levels = new double[M];

    public OfIDdpm() {
      double u = 0;
      for (int j = M; j > 0; j--) {
        double ratio = Math.max(alphaBar(j - 1) / alphaBar(j), C1);
        u = Math.sqrt((u * u + 1) / ratio - 1);
        levels[j - 1] = u;
      }
    }

    private static double alphaBar(int j) {
      double sin = Math.sin(Math.PI / 2 * j / M / (C2 + 1));
      return sin * sin;
    }

    /** The levels, falling. */
    double[] levels() {
      return levels.clone();
    }

    @Override
    public double at(double sigma) {
      return M - 1 - index(sigma);
    }

    @Override
    public double nearest(double sigma) {
      return levels[index(sigma)];
    }

    private int index(double sigma) {
      int low = 0;
      int high = M - 1;
      while (low < high) { // the last that is not below
        int middle = (low + high + 1) >>> 1;
        if (levels[middle] >= sigma) {
          low = middle;
        } else {
          high = middle - 1;
        }
      }
      return low + 1 < M && sigma - levels[low + 1] < levels[low] - sigma ? low + 1 : low;
    }
  }
}
