package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.TestFiles;
import dev.gatun.models.diffit.DiffiTLatentConfig;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How a network was trained, where its description says so. */
class TrainingFlagsTest {
  private static final String ADM =
      "\"model\": \"adm-unet\", \"image_size\": 16, \"in_channels\": 3, \"model_channels\": 32,"
          + " \"out_channels\": 3, \"num_res_blocks\": 2, \"attention_resolutions\": [2],"
          + " \"channel_mult\": [1, 2], \"num_classes\": null, \"num_heads\": 4,"
          + " \"use_scale_shift_norm\": false, \"resblock_updown\": false,"
          + " \"use_new_attention_order\": false";
  private static final String DIT =
      "\"model\": \"dit\", \"input_size\": 16, \"patch_size\": 4, \"in_channels\": 3,"
          + " \"hidden_size\": 72, \"depth\": 2, \"num_heads\": 6, \"num_classes\": 7,"
          + " \"learn_sigma\": false";
  private static final String UVIT =
      "\"model\": \"uvit\", \"img_size\": 16, \"patch_size\": 2, \"in_chans\": 3,"
          + " \"embed_dim\": 64, \"depth\": 4, \"num_heads\": 4, \"qkv_bias\": false,"
          + " \"mlp_time_embed\": false, \"num_classes\": -1";

  @TempDir Path dir;

  private static String description(String model) {
    return switch (model) {
      case "adm-tiny-plain" -> ADM;
      case "dit-tiny-p4" -> DIT;
      default -> UVIT;
    };
  }

  private Path write(String model, String flags) throws IOException {
    return Files.writeString(
        dir.resolve("net.json"),
        "{" + description(model) + (flags.isEmpty() ? "" : ", " + flags.replace('\'', '"')) + "}");
  }

  private ModelFile recognise(String model, String flags) throws IOException {
    try (var checkpoint = GoldenFiles.open(model + ".model.safetensors")) {
      return ModelFile.recognise(checkpoint, write(model, flags));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "adm-tiny-plain | `` | linear, 1000, 0..999, EPSILON, FIXED_LARGE, ddpm 250",
        "adm-tiny-plain | 'noise_schedule': 'cosine', 'diffusion_steps': 4000"
            + " | cosine, 4000, 0..999, EPSILON, FIXED_LARGE, ddpm 250",
        "adm-tiny-plain | 'diffusion_steps': 100, 'rescale_timesteps': true"
            + " | linear, 100, rescaled, EPSILON, FIXED_LARGE, ddpm 100",
        "adm-tiny-plain | 'noise_schedule': 'warmup10', 'sigma_small': true"
            + " | warmup10, 1000, 0..999, EPSILON, FIXED_SMALL, ddpm 250",
        "dit-tiny-p4 | 'predict_xstart': true, 'sigma_small': true"
            + " | linear, 1000, 0..999, X_0, FIXED_SMALL, ddpm 250",
        "dit-tiny-p4 | 'predict_xstart': false, 'noise_schedule': 'squaredcos_cap_v2'"
            + " | cosine, 1000, 0..999, EPSILON, FIXED_LARGE, ddpm 250",
        "uvit-tiny | `` | vp, 1000, 999t, EPSILON, FIXED_LARGE, dpm-solver-fast 50",
        "uvit-tiny | 'pred': 'x0_pred' | vp, 1000, 999t, X_0, FIXED_LARGE, dpm-solver-fast 50",
        "uvit-tiny | 'pred': 'noise_pred', 'noise_schedule': 'scaled_linear'"
            + " | scaled_linear, 1000, 1..1000, EPSILON, FIXED_LARGE, dpm-solver-fast 50",
        // all of it, in our own words
        "uvit-tiny | 'diffusion': {'schedule': 'quad', 'prediction': 'v', 'time': 'rescaled'}"
            + " | quad, 1000, rescaled, V, FIXED_LARGE, ddim 50"
      })
  void aDescriptionSaysHow(String model, String flags, String expected) throws IOException {
    var recipe = recognise(model, flags).recipe();
    var training = recipe.training();
    assertEquals(
        expected,
        "%s, %d, %s, %s, %s, %s %d"
            .formatted(
                training.schedule().text(),
                training.steps(),
                training.time().text(),
                training.prediction(),
                training.variance(),
                recipe.sampling().sampler(),
                recipe.sampling().steps()));
    training.process();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "adm-tiny-plain | 'noise_schedule': 'vp' | 'noise_schedule' is 'vp', expected one of linear",
        "adm-tiny-plain | 'diffusion_steps': 0 | 'diffusion_steps' is 0, expected 1 to 65536",
        "adm-tiny-plain | 'diffusion_steps': 19 | 'diffusion_steps' is 19, too few",
        "adm-tiny-plain | 'predict_xstart': 1 | 'predict_xstart'",
        "uvit-tiny | 'pred': 'v' | 'pred' is 'v', expected 'noise_pred' or 'x0_pred'",
        "uvit-tiny | 'diffusion': [] | 'diffusion'",
        "uvit-tiny | 'diffusion': {'schedule': 'sigmoid'} | 'schedule' is 'sigmoid'"
      })
  void whatNoTrainingCanBe(String model, String flags, String fact) {
    var e = assertThrows(CheckpointException.class, () -> recognise(model, flags));
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  /** What the network predicts decides what its pictures are. */
  @Test
  void theFlagsReachTheSampler() throws Exception {
    var file = dir.resolve("dit.safetensors");
    Files.write(file, GoldenFiles.bytes("/goldens/dit-tiny-p4.model.safetensors"));
    assertFalse(
        Arrays.equals(
            picture(file, "'predict_xstart': false"), picture(file, "'predict_xstart': true")));
  }

  private float[] picture(Path file, String flags) throws Exception {
    var description = write("dit-tiny-p4", flags);
    try (var pipeline = ImagePipeline.loader(file).description(description).load()) {
      return pipeline.request().count(1).steps(3).generate().samples();
    }
  }

  /**
   * Guidance of a latent DiffiT goes by its size, the training of an image-space one by precond.
   */
  @ParameterizedTest
  @CsvSource({
    "32, 28, DiffiT-256, 4.4, 4",
    "32, 30, '', 4.4, 4",
    "64, 28, DiffiT-512, 1.49, 0",
    "64, 30, '', 1.49, 0"
  })
  void guidanceOfDiffiT(int size, int depth, String preset, double scale, double power)
      throws Exception {
    var published = Families.preset(size == 32 ? "DiffiT-256" : "DiffiT-512").orElseThrow();
    var description =
        "{\"model\": \"diffit-latent\", \"input_size\": %d, \"depth\": %d}".formatted(size, depth);
    var config =
        (DiffiTLatentConfig) published.family().describe((JsonObject) Json.parse(description));
    var file =
        TestFiles.sparse(
            dir.resolve("net.safetensors"),
            Map.of("config", description),
            config.stateDict(),
            DType.F32);
    try (var checkpoint = Checkpoint.open(file)) {
      var recipe = ModelFile.recognise(file, checkpoint, null).recipe();
      assertEquals(preset, recipe.preset());
      assertEquals(scale, recipe.sampling().scale());
      assertEquals(power, recipe.sampling().guidancePower());
    }
  }

  @Test
  void preconditioningOfDiffiT() throws IOException {
    var flags =
        "{\"model\": \"diffit-image\", \"img_size\": 16, \"in_channels\": 1, \"num_classes\": 4,"
            + " \"dims\": [32, 64, 96], \"depths\": [1, 2, 1], \"heads\": [1, 2, 3],"
            + " \"window\": 8, \"learn_sigma\": false, \"precond\": \"%s\"}";
    for (var precond : new String[] {"ddpm", "edm"}) {
      var file = Files.writeString(dir.resolve("net.json"), flags.formatted(precond));
      try (var checkpoint = GoldenFiles.open("diffit-image-tiny3.model.safetensors")) {
        var recipe = ModelFile.recognise(checkpoint, file).recipe();
        assertEquals(
            precond.equals("edm") ? "EDM edm" : "LINEAR ddpm",
            recipe.training().schedule() + " " + recipe.sampling().sampler());
      }
    }
  }
}
