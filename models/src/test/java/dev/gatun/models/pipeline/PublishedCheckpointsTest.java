package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.TestFiles;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import dev.gatun.models.pipeline.Training.Schedule;
import dev.gatun.models.pipeline.Training.Time;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Full-size files with exactly the keys and shapes of the published ones, holes for numbers: what
 * they are recognised as, and what is said of one with a fault.
 */
class PublishedCheckpointsTest {
  @TempDir Path dir;

  @ParameterizedTest
  @CsvSource({
    "dit_xl2_256, DiT-XL-2-256x256.pt, DiT-XL/2-256, 675129632",
    "dit_xl2_512, DiT-XL-2-512x512.pt, DiT-XL/2-512, 676014368",
    "dit_s2_256, mine.pt, '', 32963360",
    "uvit_cifar10_small, cifar10_uvit_small.pth, cifar10_uvit_small, 44255328",
    "uvit_celeba64_small, x.pth, celeba64_uvit_small, 44292228",
    "uvit_imagenet64_mid, x.pth, imagenet64_uvit_mid, 130940292",
    "uvit_imagenet64_large, x.pth, imagenet64_uvit_large, 286827652",
    "uvit_imagenet256_large, x.pth, imagenet256_uvit_large, 286763172",
    "uvit_imagenet256_huge, x.pth, imagenet256_uvit_huge, 500832016",
    "uvit_imagenet512_large, x.pth, imagenet512_uvit_large, 286861524",
    "uvit_imagenet512_huge, x.pth, imagenet512_uvit_huge, 500942656",
    "uvit_mscoco_small, x.pth, mscoco_uvit_small, 44692644",
    "uvit_mscoco_small_deep, x.pth, mscoco_uvit_small_deep, 58345636",
    "diffit_256, diffit_256.safetensors, DiffiT-256, 561330144",
    "diffit_512, x.safetensors, DiffiT-512, 563562464",
    "adm_64x64_diffusion, x.pt, 64x64_diffusion, 295904454",
    "adm_128x128_diffusion, x.pt, 128x128_diffusion, 421529606",
    "adm_256x256_diffusion, x.pt, 256x256_diffusion, 553838086",
    "adm_256x256_diffusion_uncond_and_lsun, 256x256_diffusion_uncond.pt, 256x256_diffusion_uncond, 552814086",
    "adm_256x256_diffusion_uncond_and_lsun, lsun_cat.pt, lsun_cat, 552814086",
    "adm_256x256_diffusion_uncond_and_lsun, lsun_horse_nodropout.pt, lsun_horse_nodropout, 552814086",
    "adm_512x512_diffusion, x.pt, 512x512_diffusion, 558997638",
    "adm_64_256_upsampler, x.pt, 64_256_upsampler, 311795910",
    "adm_128_512_upsampler, x.pt, 128_512_upsampler, 308835270"
  })
  void modelsThatMakePictures(String list, String file, String preset, long parameters)
      throws IOException {
    try (var checkpoint = checkpoint(file, keys(list))) {
      var model = ModelFile.recognise(dir.resolve(file), checkpoint, null);
      assertEquals(parameters, model.config().parameters());
      assertTrue(model.missing().isEmpty() && model.leftOver().isEmpty());
      assertEquals(preset, model.recipe().preset());
      if (!preset.isEmpty()) {
        var published = Preset.named(preset).orElseThrow();
        assertEquals(published.training(), model.recipe().training());
        assertEquals(published.sampling(), model.recipe().sampling());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "adm_64x64_classifier, adm-classifier, 65438568",
    "adm_128x128_classifier, adm-classifier, 42568040",
    "adm_256x256_classifier, adm-classifier, 54096360",
    "adm_512x512_classifier, adm-classifier, 54448360",
    "vae_kl_f8_ldm, autoencoder-kl, 83653863",
    "vae_kl_f8_diffusers_old_names, autoencoder-kl, 83653863",
    "vae_kl_f8_diffusers_new_names, autoencoder-kl, 83653863",
    "clip_vit_l14_text_hf, clip-text, 123060480"
  })
  void modelsThatHelpThem(String list, String network, long parameters) throws IOException {
    try (var checkpoint = checkpoint("x.pt", keys(list))) {
      var model = ModelFile.recognise(checkpoint, null);
      assertEquals(network, model.config().model());
      assertEquals(parameters, model.config().parameters());
      assertTrue(model.missing().isEmpty() && model.leftOver().isEmpty());
      var e = assertThrows(CheckpointException.class, () -> model.requirePictures("x.pt"));
      assertTrue(e.getMessage().contains("makes no pictures"), e.getMessage());
    }
  }

  /** In every list, its middle tensor is made wrong, then taken away. */
  @ParameterizedTest
  @CsvSource({
    "dit_xl2_256",
    "uvit_imagenet256_huge",
    "uvit_mscoco_small",
    "diffit_256",
    "adm_64x64_diffusion",
    "adm_256x256_diffusion_uncond_and_lsun",
    "adm_128_512_upsampler",
    "adm_512x512_classifier",
    "vae_kl_f8_ldm",
    "vae_kl_f8_diffusers_old_names",
    "clip_vit_l14_text_hf"
  })
  void aFaultIsNamed(String list) throws IOException {
    var wrong = keys(list);
    var key =
        wrong.keySet().stream()
            .filter(name -> name.matches(".*(fc1|mlp|conv1|in_layers\\.2|qkv).*weight"))
            .skip(2)
            .findFirst()
            .orElseThrow();
    var shape = wrong.get(key).dims();
    shape[0]++;
    wrong.put(key, Shape.of(shape));
    try (var checkpoint = checkpoint("wrong.pt", wrong)) {
      var e = assertThrows(CheckpointException.class, () -> ModelFile.recognise(checkpoint, null));
      sentence(e, "wrong.pt: ", key);
      assertTrue(e.getMessage().contains(Arrays.toString(shape)), e.getMessage());
    }
    var gone = keys(list);
    gone.remove(key);
    try (var checkpoint = checkpoint("gone.pt", gone)) {
      var e =
          assertThrows(
              CheckpointException.class,
              () -> ModelFile.recognise(checkpoint, null).load(checkpoint, null));
      sentence(e, "gone.pt: ", key, "missing");
    }
  }

  @Test
  void whereFilesAreAlikeTheUserDecides() throws IOException {
    var keys = keys("adm_256x256_diffusion_uncond_and_lsun");
    try (var checkpoint = checkpoint("model.pt", keys)) {
      var path = dir.resolve("model.pt");
      var open = ModelFile.recognise(path, checkpoint, null);
      assertEquals(5, open.recipe().candidates().size());
      var e = assertThrows(CheckpointException.class, () -> open.requirePictures("model.pt"));
      sentence(e, "model.pt: ", "256x256_diffusion_uncond", "lsun_horse_nodropout", "--preset");
      var said = ModelFile.recognise(path, checkpoint, null, "LSUN_bedroom");
      assertEquals("lsun_bedroom", said.recipe().preset());
      assertEquals(1000, said.recipe().sampling().steps());
      var other =
          assertThrows(
              CheckpointException.class,
              () -> ModelFile.recognise(path, checkpoint, null, "64x64_diffusion"));
      sentence(other, "model.pt: tensor ", "64x64_diffusion has");
      var unknown =
          assertThrows(
              CheckpointException.class,
              () -> ModelFile.recognise(path, checkpoint, null, "lsun_dog"));
      sentence(unknown, "no such preset", "lsun_cat");
    }
  }

  /** Every preset is a network that some family knows, and has what its kind needs. */
  @Test
  void presetsAreWhole() {
    assertEquals(27, Preset.all().size());
    for (var preset : Preset.all()) {
      var member = Families.preset(preset.name()).orElseThrow(() -> new AssertionError(preset));
      var training = preset.training();
      var sampling = preset.sampling();
      assertEquals(
          training.latent(), !sampling.clip() && !sampling.companion().isEmpty(), preset.name());
      if (sampling.guidance() == Guidance.CLASSIFIER) {
        assertTrue(Families.preset(sampling.companion()).isPresent(), preset.name());
      }
      if (training.schedule() == Schedule.EDM) {
        assertEquals(Time.LOG_SIGMA, training.time());
      }
      var config = (dev.gatun.models.DiffusionConfig) member.config();
      if (sampling.guidance() == Guidance.CLASSIFIER_FREE && config.numClasses() > 0) {
        assertEquals(config.nullClass(), training.nullClass(), preset.name());
      }
      assertFalse(Preset.named(preset.name().toUpperCase(java.util.Locale.ROOT)).isEmpty());
    }
  }

  private Checkpoint checkpoint(String name, Map<String, Shape> shapes) throws IOException {
    return Checkpoint.open(TestFiles.sparse(dir.resolve(name), Map.of(), shapes, DType.F32));
  }

  private static void sentence(Exception e, String... facts) {
    assertTrue(e.getMessage().indexOf('\n') < 0, e.getMessage());
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), () -> fact + " is not said in: " + e.getMessage());
    }
  }

  /** {@code key [shape]} line by line. */
  private static SequencedMap<String, Shape> keys(String list) throws IOException {
    var text = new String(GoldenFiles.bytes("/keys/" + list + ".txt"), StandardCharsets.UTF_8);
    return text.lines()
        .filter(line -> line.matches("\\S+ \\[.*\\].*"))
        .collect(
            Collectors.toMap(
                line -> line.substring(0, line.indexOf(' ')),
                line ->
                    Shape.of(
                        Arrays.stream(
                                line.substring(line.indexOf('[') + 1, line.indexOf(']')).split(","))
                            .filter(dim -> !dim.isBlank())
                            .mapToInt(dim -> Integer.parseInt(dim.strip()))
                            .toArray()),
                (first, second) -> {
                  throw new AssertionError("a key twice in " + list);
                },
                LinkedHashMap::new));
  }
}
