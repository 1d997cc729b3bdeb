package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Which models go together, and what they do then. */
class CompanionsTest {
  @TempDir Path dir;

  private Path golden(String name) throws IOException {
    var file = dir.resolve(name + ".safetensors");
    return Files.write(file, GoldenFiles.bytes("/goldens/" + name + ".model.safetensors"));
  }

  private static void refused(Executable load, String... facts) {
    var e = assertThrows(CheckpointException.class, load);
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }

  // ------------------------------------------------------------------------------------------
  // classifiers

  @Test
  void aClassifierSeesWhatTheModelMakes() throws Exception {
    var classifier = golden("adm-classifier-attention"); // 3 channels, 16 pixels, 10 classes
    refused(
        () -> ImagePipeline.bundledLoader("diffit-digits").classifier(classifier).load(),
        "adm-classifier-attention.safetensors: looks at 3 channels, but the model makes 1");
    refused(
        () -> ImagePipeline.loader(golden("dit-tiny-p4")).classifier(classifier).load(),
        "knows 10 classes, but the model 7; leave out --classifier");
    refused(
        () -> ImagePipeline.loader(golden("uvit-tiny")).classifier(classifier).load(),
        "on the steps of a schedule, but the model on a continuous time");
    refused(
        () ->
            ImagePipeline.loader(golden("dit-tiny"))
                .autoencoder(golden("vae-tiny"))
                .classifier(classifier)
                .load(),
        "looks at pixels, but the model makes latents");
  }

  /** Its scale is another thing than that of the model's own guidance. */
  @Test
  void aClassifierTakesThePlaceOfTheModelsGuidance() throws Exception {
    var model = golden("diffit-image-tiny");
    var classifier = golden("adm-classifier-attention");
    try (var pipeline = ImagePipeline.loader(model).classifier(classifier).load()) {
      assertEquals(Guidance.CLASSIFIER, pipeline.guidance());
      var request = pipeline.request().classes(3).count(1).steps(2);
      assertEquals("1.0", request.parameters().get("guidance"));
      float[] guided = request.generate().samples();
      float[] unguided = request.guidance(0).generate().samples();
      assertFalse(Arrays.equals(guided, unguided), "the classifier matters");
      assertArrayEquals(guided, request.guidance(1).generate().samples());
      try (var plain = ImagePipeline.load(model)) {
        var same = plain.request().classes(3).count(1).steps(2).guidance(1);
        assertArrayEquals(unguided, same.generate().samples(), "0 is no guidance");
      }
    }
  }

  /** ADM's authors guide more strongly where DDIM takes 25 steps. */
  @Test
  void scalesOfTheAuthors() {
    for (var row :
        List.of(
            "ADM-64 1.0 1.0",
            "ADM-128 0.5 1.25",
            "ADM-256 1.0 2.5",
            "ADM-256-uncond 10.0 10.0",
            "ADM-512 4.0 9.0",
            "DiT-XL/2-256 4.0 4.0")) {
      var words = row.split(" ");
      var sampling = Preset.named(words[0]).orElseThrow().sampling();
      assertEquals(row, words[0] + " " + sampling.scale() + " " + sampling.fastScale());
      assertEquals(sampling.scale(), sampling.scaleOf("ddpm", 25));
      assertEquals(sampling.scale(), sampling.scaleOf("ddim", 50));
      assertEquals(sampling.fastScale(), sampling.scaleOf("ddim", 25));
    }
  }

  // ------------------------------------------------------------------------------------------
  // models that enlarge

  @Test
  void aModelEnlargesWhatTheOtherMakes() throws Exception {
    var up = golden("adm-superres-tiny"); // 3 channels, to 16 pixels, 5 classes
    refused(
        () -> ImagePipeline.bundledLoader("uvit-digits").size(8).upsampler(up).load(),
        "adm-superres-tiny.safetensors: enlarges pictures of 3 channels, uvit-digits makes 1");
    refused(
        () -> ImagePipeline.loader(golden("dit-tiny-p4")).size(8).upsampler(up).load(),
        "knows 5 classes, but the model 7");
  }

  @Test
  void theSecondStageIsAModelOfItsOwn() throws Exception {
    var loader = ImagePipeline.loader(golden("uvit-tiny")).size(8);
    try (var pipeline = loader.upsampler(golden("adm-superres-tiny")).load()) {
      // classes that only the second knows
      assertEquals(5, pipeline.classCount());
      var request = pipeline.request().classes(1).count(1).steps(2);
      var images = request.generate();
      assertArrayEquals(new long[] {1}, images.labels());
      var other = pipeline.request().classes(4).count(1).steps(2).generate();
      assertFalse(Arrays.equals(images.samples(), other.samples()), "the class matters");
      // the first rounds as U-ViT's authors do, the second as ADM's
      var seen = new ArrayList<String>();
      request
          .sampler("ddim")
          .respacing("ddim3")
          .onProgress(
              (done, total, preview) ->
                  seen.add(done + "/" + total + " " + preview.images().rounding()))
          .generate();
      assertEquals(
          List.of("1/6 NEAREST", "2/6 NEAREST", "3/6 NEAREST", "4/6 DOWN", "5/6 DOWN", "6/6 DOWN"),
          seen);
      assertEquals(Rounding.DOWN, images.rounding());
      // what the second cannot do shows before the first begins
      var e =
          assertThrows(
              IllegalArgumentException.class,
              () -> pipeline.request().sampler("em-sde").steps(2).order(2).check());
      assertTrue(e.getMessage().contains("takes no order"), e.getMessage());
      assertThrows(
          IllegalArgumentException.class, () -> pipeline.request().steps(1001).check(), "ddpm");
    }
  }
}
