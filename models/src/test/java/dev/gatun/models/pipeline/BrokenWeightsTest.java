package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.diffusion.X0Correction;
import dev.gatun.runtime.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that hold NaN: the one that does is named, whichever sampler finds out. */
class BrokenWeightsTest {
  @TempDir Path dir;

  private Path golden(String name) throws Exception {
    return Files.write(
        dir.resolve(name + ".safetensors"),
        GoldenFiles.bytes("/goldens/" + name + ".model.safetensors"));
  }

  /** A copy with a hole in the first number of a tensor. */
  private Path broken(Checkpoint checkpoint, String key) throws Exception {
    var tensors = new LinkedHashMap<>(GoldenFiles.tensors(checkpoint));
    var tensor = tensors.get(key);
    float[] numbers = tensor.toFloats();
    numbers[0] = Float.NaN;
    tensors.put(key, Tensor.of(tensor.shape(), numbers));
    var file = dir.resolve("broken.safetensors");
    SafetensorsWriter.write(file, checkpoint.metadata(), tensors);
    return file;
  }

  private static void refused(ImageRequest request, String... facts) {
    var e = assertThrows(GenerationException.class, request::generate);
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
    assertTrue(e.getMessage().startsWith("broken.safetensors: "), e.getMessage());
    assertTrue(e.getMessage().contains("get the file anew"), e.getMessage());
  }

  @Test
  void anAutoencoder() throws Exception {
    Path vae;
    try (var checkpoint = Checkpoint.open(golden("vae-tiny"))) {
      vae = broken(checkpoint, "decoder.conv_out.bias");
    }
    try (var pipeline = ImagePipeline.loader(golden("dit-tiny")).autoencoder(vae).load()) {
      var steps = new ArrayList<Integer>();
      var request = pipeline.request().count(1).steps(2);
      refused(request.onProgress((done, _, _) -> steps.add(done)), "the autoencoder");
      assertEquals(2, steps.size(), "the model itself is sound");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "ddim, blocks",
    "ddpm, blocks",
    "dpm-solver++, blocks",
    "dpm-solver-adaptive, blocks",
    "euler, blocks",
    "dpm-adaptive, blocks",
    "ddpm, out"
  })
  void aClassifier(String sampler, String part) throws Exception {
    Path file;
    try (var bundled = BundledModels.open("adm-digits-classifier")) {
      var keys = bundled.checkpoint().tensors().sequencedKeySet();
      var key = keys.stream().filter(name -> name.contains(part)).findFirst().orElseThrow();
      file = broken(bundled.checkpoint(), key);
    }
    try (var pipeline = ImagePipeline.bundledLoader("adm-digits").classifier(file).load()) {
      var request = pipeline.request().sampler(sampler).count(2).steps(3).guidance(1);
      refused(request, "the classifier");
      assertEquals(2, request.guidance(0).generate().count(), "which guides no more");
    }
  }

  /** One step is over before a second one could show it. */
  @Test
  void aClassifierInTheOnlyStep() throws Exception {
    Path file;
    try (var bundled = BundledModels.open("adm-digits-classifier")) {
      var key = bundled.checkpoint().tensors().firstEntry().getKey();
      file = broken(bundled.checkpoint(), key);
    }
    try (var pipeline = ImagePipeline.bundledLoader("adm-digits").classifier(file).load()) {
      refused(pipeline.request().sampler("ddpm").count(1).steps(1), "the classifier");
    }
  }

  @Test
  void aModelWithASamplerOfItsOwnSteps() throws Exception {
    Path file;
    try (var bundled = BundledModels.open("uvit-digits")) {
      file = broken(bundled.checkpoint(), "norm.bias");
    }
    try (var pipeline = ImagePipeline.load(file)) {
      var request = pipeline.request().sampler("dpm-solver-adaptive").count(1);
      var e = assertThrows(GenerationException.class, request::generate);
      assertTrue(e.getMessage().startsWith("broken.safetensors: "), e.getMessage());
    }
    // what a listener throws is its own
    try (var pipeline = ImagePipeline.bundled("uvit-digits")) {
      var request = pipeline.request().sampler("dpm-solver-adaptive").count(1);
      request.onProgress((done, _, _) -> Math.toIntExact(Long.MAX_VALUE - done));
      var e = assertThrows(ArithmeticException.class, request::generate);
      assertEquals("integer overflow", e.getMessage());
    }
  }

  /** Sound weights, but numbers that grow beyond all others. */
  @Test
  void picturesThatGrowAreNotBlack() throws Exception {
    var model = golden("dit-tiny-p4");
    try (var pipeline = ImagePipeline.load(model)) {
      X0Correction.Custom grows = (x, _) -> pipeline.backend().combine(1e12, x, 0, null, x);
      var request = pipeline.request().count(1).steps(5).correction(grows);
      var e = assertThrows(GenerationException.class, request::generate);
      assertTrue(e.getMessage().contains("weaken the guidance"), e.getMessage());
    }
  }
}
