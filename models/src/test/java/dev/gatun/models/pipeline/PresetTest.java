package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Locale;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The table of the published checkpoints, written out once more from the papers and scripts. */
class PresetTest {
  private static final String TABLE =
      """
      DiT-XL/2-256: latent 0.18215, linear, 0..999, learned_range, null 1000; ddpm 250, classifier_free 4.0 on 3, sd-vae-ft-mse; nearest
      DiT-XL/2-512: latent 0.18215, linear, 0..999, learned_range, null 1000; ddpm 250, classifier_free 4.0 on 3, sd-vae-ft-mse; nearest
      cifar10_uvit_small: pixel, vp, 999t, fixed_large, null -1; em-sde 1000, none; nearest
      celeba64_uvit_small: pixel, vp, 999t, fixed_large, null -1; em-sde 1000, none; nearest
      imagenet64_uvit_mid: pixel, vp, 999t, fixed_large, null -1; dpm-solver-fast 50, none; nearest
      imagenet64_uvit_large: pixel, vp, 999t, fixed_large, null -1; dpm-solver-fast 50, none; nearest
      imagenet256_uvit_large: latent 0.18215, vp, 999t, fixed_large, null 1000; dpm-solver-fast 50, classifier_free 1.4 on all, autoencoder_kl; nearest
      imagenet512_uvit_large: latent 0.18215, vp, 999t, fixed_large, null 1000; dpm-solver-fast 50, classifier_free 1.7 on all, autoencoder_kl; nearest
      imagenet256_uvit_huge: latent 0.18215, scaled_linear, 1..1000, fixed_large, null 1000; dpm-solver++-fast 50, classifier_free 1.4 on all, autoencoder_kl_ema; nearest
      imagenet512_uvit_huge: latent 0.18215, scaled_linear, 1..1000, fixed_large, null 1000; dpm-solver++-fast 50, classifier_free 1.7 on all, autoencoder_kl_ema; nearest
      mscoco_uvit_small: latent 0.2301, scaled_linear, 1..1000, fixed_large, null -1; dpm-solver++-fast 50, classifier_free 2.0 on all, autoencoder_kl; nearest
      mscoco_uvit_small_deep: latent 0.2301, scaled_linear, 1..1000, fixed_large, null -1; dpm-solver++-fast 50, classifier_free 2.0 on all, autoencoder_kl; nearest
      64x64_diffusion: pixel, cosine, 0..999, learned_range, null -1; ddpm 250 clipped, classifier 1.0, 64x64_classifier; down
      128x128_diffusion: pixel, linear, 0..999, learned_range, null -1; ddpm 250 clipped, classifier 0.5 (1.25), 128x128_classifier; down
      256x256_diffusion: pixel, linear, 0..999, learned_range, null -1; ddpm 250 clipped, classifier 1.0 (2.5), 256x256_classifier; down
      256x256_diffusion_uncond: pixel, linear, 0..999, learned_range, null -1; ddpm 250 clipped, classifier 10.0, 256x256_classifier; down
      512x512_diffusion: pixel, linear, 0..999, learned_range, null -1; ddpm 250 clipped, classifier 4.0 (9.0), 512x512_classifier; down
      64_256_upsampler: pixel, linear, 0..999, learned_range, null -1; ddpm 250 clipped, none; down
      128_512_upsampler: pixel, linear, 0..999, learned_range, null -1; ddpm 250 clipped, none; down
      lsun_bedroom: pixel, linear, 0..999, learned_range, null -1; ddpm 1000 clipped, none; down
      lsun_cat: pixel, linear, 0..999, learned_range, null -1; ddpm 1000 clipped, none; down
      lsun_horse: pixel, linear, 0..999, learned_range, null -1; ddpm 1000 clipped, none; down
      lsun_horse_nodropout: pixel, linear, 0..999, learned_range, null -1; ddpm 1000 clipped, none; down
      DiffiT-256: latent 0.18215, linear, 0..999, learned_range, null 1000; ddpm 250, classifier_free 4.4 on 3 to the 4.0, sd-vae-ft-ema; down
      DiffiT-512: latent 0.18215, linear, 0..999, learned_range, null 1000; ddpm 250, classifier_free 1.49 on 3, sd-vae-ft-ema; down
      DiffiT-CIFAR10: pixel, edm, ln(sigma)/4, fixed_large, null -1; edm 18, none; shifted
      DiffiT-FFHQ64: pixel, edm, ln(sigma)/4, fixed_large, null -1; edm 40, none; shifted
      """;

  @Test
  void theTableIsThatOfTheAuthors() {
    var found = Preset.all().stream().map(PresetTest::line).collect(Collectors.joining());
    assertEquals(TABLE, found);
  }

  private static String line(Preset preset) {
    var training = preset.training();
    var sampling = preset.sampling();
    assertEquals(1000, training.steps());
    assertEquals("EPSILON", training.prediction().name());
    return preset.name()
        + ": "
        + (training.latent() ? "latent " + training.latentScale() : "pixel")
        + ", "
        + training.schedule().text()
        + ", "
        + training.time().text()
        + ", "
        + lower(training.variance())
        + ", null "
        + training.nullClass()
        + "; "
        + sampling.sampler()
        + " "
        + sampling.steps()
        + (sampling.clip() ? " clipped" : "")
        + ", "
        + guidance(sampling)
        + (sampling.companion().isEmpty() ? "" : ", " + sampling.companion())
        + "; "
        + lower(sampling.rounding())
        + "\n";
  }

  private static String guidance(SamplingDefaults sampling) {
    var kind = lower(sampling.guidance());
    return switch (sampling.guidance()) {
      case NONE -> kind;
      case CLASSIFIER ->
          kind
              + " "
              + sampling.scale()
              + (sampling.fastScale() == sampling.scale() ? "" : " (" + sampling.fastScale() + ")");
      case CLASSIFIER_FREE ->
          kind
              + " "
              + sampling.scale()
              + " on "
              + (sampling.guidedChannels() == 0 ? "all" : sampling.guidedChannels())
              + (sampling.guidancePower() == 0 ? "" : " to the " + sampling.guidancePower());
    };
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }
}
