package dev.gatun.models.diffusion;

import java.util.Objects;

/**
 * The diffusion that a network was trained to reverse. It belongs to the checkpoint: a network that
 * is sampled as if it had been trained otherwise gives noise.
 */
public sealed interface DiffusionProcess {
  /**
   * In steps: DiT, ADM, DiffiT, and U-ViT's discrete models.
   *
   * @param schedule all steps that it was trained with, and the times that it is told
   * @param prediction what it predicts
   * @param variance of {@link DdpmSampler}
   */
  record Discrete(NoiseSchedule schedule, Prediction prediction, Variance variance)
      implements DiffusionProcess {
    public Discrete {
      Objects.requireNonNull(schedule, "schedule");
      Objects.requireNonNull(prediction, "prediction");
      Objects.requireNonNull(variance, "variance");
    }
  }

  /**
   * In continuous time: U-ViT's models of pixels, and its large ones of latents.
   *
   * @param curve how noise grows with time, and what it is told
   * @param prediction what it predicts
   */
  record Continuous(NoiseCurve curve, Prediction prediction) implements DiffusionProcess {
    public Continuous {
      Objects.requireNonNull(curve, "curve");
      prediction.requireAnyTime("a network of continuous time");
    }
  }

  /**
   * In noise levels: networks of EDM, such as DiffiT's of images.
   *
   * @param preconditioning what makes a denoiser of the network
   * @param sigmaMin the least noise that it knows, 0.002
   * @param sigmaMax the most, 80
   */
  record Edm(Preconditioning preconditioning, double sigmaMin, double sigmaMax)
      implements DiffusionProcess {
    public Edm {
      Objects.requireNonNull(preconditioning, "preconditioning");
      if (!(sigmaMin > 0 && sigmaMax > sigmaMin && sigmaMax < Double.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException(
            "noise levels from " + sigmaMin + " to " + sigmaMax + ": give 0 < least < most");
      }
    }

    /** As in EDM's paper: {@link Preconditioning.Edm} from 0.002 to 80. */
    public static Edm standard() {
      return new Edm(new Preconditioning.Edm(), 0.002, 80);
    }
  }
}
