package dev.gatun.models.pipeline;

import static dev.gatun.models.pipeline.Training.Schedule.COSINE;
import static dev.gatun.models.pipeline.Training.Schedule.EDM;
import static dev.gatun.models.pipeline.Training.Schedule.LINEAR;
import static dev.gatun.models.pipeline.Training.Schedule.SCALED_LINEAR;
import static dev.gatun.models.pipeline.Training.Schedule.VP;
import static dev.gatun.models.pipeline.Training.Time.CONTINUOUS;
import static dev.gatun.models.pipeline.Training.Time.INDEX;
import static dev.gatun.models.pipeline.Training.Time.LOG_SIGMA;
import static dev.gatun.models.pipeline.Training.Time.NUMBER;

import dev.gatun.models.diffusion.Variance;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A published checkpoint: how it was trained and what its authors sample with. The four projects
 * differ in nearly all of this, and none of it can be seen in the tensors.
 *
 * @param name as the authors call the file, or the model
 * @param files how the names of its files begin; each is a name for it, too
 * @param training how it was trained
 * @param sampling what its authors sample with
 */
public record Preset(
    String name, List<String> files, Training training, SamplingDefaults sampling) {

  private static final Training DIT =
      Training.pixels(LINEAR, INDEX, Variance.LEARNED_RANGE).onLatents().withNullClass(1000);
  private static final SamplingDefaults DIT_SAMPLING =
      SamplingDefaults.unguided("ddpm", 250, false, Rounding.NEAREST)
          .classifierFree(4, 3, 0)
          .decodedBy("sd-vae-ft-mse");

  private static final Training UVIT_PIXELS = Training.pixels(VP, CONTINUOUS, Variance.FIXED_LARGE);
  private static final Training UVIT_LATENTS = UVIT_PIXELS.onLatents().withNullClass(1000);
  private static final Training UVIT_DISCRETE =
      Training.pixels(SCALED_LINEAR, NUMBER, Variance.FIXED_LARGE).onLatents();
  private static final SamplingDefaults UVIT_SDE =
      SamplingDefaults.unguided("em-sde", 1000, false, Rounding.NEAREST);
  private static final SamplingDefaults UVIT_FAST =
      SamplingDefaults.unguided("dpm-solver-fast", 50, false, Rounding.NEAREST);
  private static final SamplingDefaults UVIT_FAST_PP =
      SamplingDefaults.unguided("dpm-solver++-fast", 50, false, Rounding.NEAREST);

  private static final Training ADM = Training.pixels(LINEAR, INDEX, Variance.LEARNED_RANGE);
  private static final SamplingDefaults ADM_SAMPLING =
      SamplingDefaults.unguided("ddpm", 250, true, Rounding.DOWN);
  private static final SamplingDefaults LSUN =
      SamplingDefaults.unguided("ddpm", 1000, true, Rounding.DOWN);

  private static final SamplingDefaults DIFFIT =
      SamplingDefaults.unguided("ddpm", 250, false, Rounding.DOWN).decodedBy("sd-vae-ft-ema");
  private static final Training DIFFIT_EDM = Training.pixels(EDM, LOG_SIGMA, Variance.FIXED_LARGE);

  private static final List<Preset> ALL =
      List.of(
          of("DiT-XL/2-256", DIT, DIT_SAMPLING, "DiT-XL-2-256"),
          of("DiT-XL/2-512", DIT, DIT_SAMPLING, "DiT-XL-2-512"),
          of("cifar10_uvit_small", UVIT_PIXELS, UVIT_SDE),
          of("celeba64_uvit_small", UVIT_PIXELS, UVIT_SDE),
          of("imagenet64_uvit_mid", UVIT_PIXELS, UVIT_FAST),
          of("imagenet64_uvit_large", UVIT_PIXELS, UVIT_FAST),
          of("imagenet256_uvit_large", UVIT_LATENTS, guided(UVIT_FAST, 1.4, "autoencoder_kl")),
          of("imagenet512_uvit_large", UVIT_LATENTS, guided(UVIT_FAST, 1.7, "autoencoder_kl")),
          of(
              "imagenet256_uvit_huge",
              UVIT_DISCRETE.withNullClass(1000),
              guided(UVIT_FAST_PP, 1.4, "autoencoder_kl_ema")),
          of(
              "imagenet512_uvit_huge",
              UVIT_DISCRETE.withNullClass(1000),
              guided(UVIT_FAST_PP, 1.7, "autoencoder_kl_ema")),
          // The scale of the latents of MS-COCO, which the authors' own demo forgets.
          of(
              "mscoco_uvit_small",
              UVIT_DISCRETE.withLatentScale(0.23010),
              guided(UVIT_FAST_PP, 2, "autoencoder_kl")),
          of(
              "mscoco_uvit_small_deep",
              UVIT_DISCRETE.withLatentScale(0.23010),
              guided(UVIT_FAST_PP, 2, "autoencoder_kl")),
          of(
              "64x64_diffusion",
              Training.pixels(COSINE, INDEX, Variance.LEARNED_RANGE),
              ADM_SAMPLING.classifier("64x64_classifier", 1),
              "64x64_diffusion",
              "ADM-64"),
          of(
              "128x128_diffusion",
              ADM,
              ADM_SAMPLING.classifier("128x128_classifier", 0.5, 1.25),
              "128x128_diffusion",
              "ADM-128"),
          of(
              "256x256_diffusion",
              ADM,
              ADM_SAMPLING.classifier("256x256_classifier", 1, 2.5),
              "256x256_diffusion",
              "ADM-256"),
          of(
              "256x256_diffusion_uncond",
              ADM,
              ADM_SAMPLING.classifier("256x256_classifier", 10),
              "256x256_diffusion_uncond",
              "ADM-256-uncond"),
          of(
              "512x512_diffusion",
              ADM,
              ADM_SAMPLING.classifier("512x512_classifier", 4, 9),
              "512x512_diffusion",
              "ADM-512"),
          of("64_256_upsampler", ADM, ADM_SAMPLING, "64_256_upsampler", "ADM-64-256"),
          of("128_512_upsampler", ADM, ADM_SAMPLING, "128_512_upsampler", "ADM-128-512"),
          of("lsun_bedroom", ADM, LSUN),
          of("lsun_cat", ADM, LSUN),
          of("lsun_horse", ADM, LSUN),
          of("lsun_horse_nodropout", ADM, LSUN),
          of("DiffiT-256", DIT, DIFFIT.classifierFree(4.4, 3, 4), "diffit_256"),
          of("DiffiT-512", DIT, DIFFIT.classifierFree(1.49, 3, 0), "diffit_512"),
          of(
              "DiffiT-CIFAR10",
              DIFFIT_EDM,
              SamplingDefaults.unguided("edm", 18, false, Rounding.SHIFTED)),
          of(
              "DiffiT-FFHQ64",
              DIFFIT_EDM,
              SamplingDefaults.unguided("edm", 40, false, Rounding.SHIFTED)));

  public Preset {
    files = List.copyOf(files);
  }

  private static Preset of(
      String name, Training training, SamplingDefaults sampling, String... files) {
    return new Preset(name, files.length == 0 ? List.of(name) : List.of(files), training, sampling);
  }

  private static SamplingDefaults guided(SamplingDefaults sampling, double scale, String vae) {
    return sampling.classifierFree(scale, 0, 0).decodedBy(vae);
  }

  /** All of them. */
  public static List<Preset> all() {
    return ALL;
  }

  /** The one of this name; upper and lower case do not matter. */
  public static Optional<Preset> named(String name) {
    return ALL.stream()
        .filter(
            preset ->
                preset.name.equalsIgnoreCase(name)
                    || preset.files.stream().anyMatch(name::equalsIgnoreCase))
        .findFirst();
  }

  /**
   * How much of a file's name this preset explains: the length of the longest beginning, 0 for
   * none.
   */
  int explains(String fileName) {
    var lower = fileName.toLowerCase(Locale.ROOT);
    return files.stream()
        .filter(file -> lower.startsWith(file.toLowerCase(Locale.ROOT)))
        .mapToInt(String::length)
        .max()
        .orElse(0);
  }
}
