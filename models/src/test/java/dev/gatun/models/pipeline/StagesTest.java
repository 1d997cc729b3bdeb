package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.RandomParameters;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.clip.ClipTextConfig;
import dev.gatun.models.diffusion.Noise;
import dev.gatun.models.diffusion.SamplerSettings;
import dev.gatun.models.diffusion.Samplers;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.models.vae.AutoencoderKL;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/**
 * Pipelines of several models: latents and their autoencoder, texts, pictures that are enlarged.
 */
class StagesTest {
  @TempDir Path dir;

  private Path golden(String name, String as) throws IOException {
    var file = dir.resolve(as);
    Files.createDirectories(file.getParent());
    return Files.write(file, GoldenFiles.bytes("/goldens/" + name + ".model.safetensors"));
  }

  private static float[] image(GeneratedImages images, int i) {
    int size = images.samples().length / images.count();
    return Arrays.copyOfRange(images.samples(), i * size, (i + 1) * size);
  }

  private static void refused(Executable load, String... facts) {
    var e = assertThrows(CheckpointException.class, load);
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }

  // ------------------------------------------------------------------------------------------
  // latents

  @Test
  void latentsAreDecoded() throws Exception {
    var model = golden("dit-tiny", "dit.safetensors");
    var vae = golden("vae-tiny", "some.safetensors");
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var pipeline = ImagePipeline.loader(model).autoencoder(vae).backend(backend).load()) {
      assertEquals(16, pipeline.size()); // 8 latents of 2 pixels
      var request = pipeline.request().classes(3).count(2).batch(2).steps(3).seed(5);
      var images = request.generate();
      assertEquals("16", images.parameters().get("size"));
      assertEquals("some.safetensors", images.parameters().get("vae"));
      assertEquals(2 * 16 * 16 * 3, images.samples().length);
      // the same latents, decoded by hand
      try (var x = backend.allocate(DType.F32, Shape.of(2, 8, 8, 4));
          var out = backend.allocate(DType.F32, Shape.of(2, 16, 16, 3));
          var workspace = backend.workspace();
          var checkpoint = Checkpoint.open(vae);
          var decoder =
              (AutoencoderKL)
                  ModelFile.recognise(vae, checkpoint, null).load(checkpoint, backend)) {
        var noise = Noise.perImage(5, 0, backend);
        noise.next(x);
        new Pass(pipeline, request).sample(x, noise, new long[] {3, 3}, List.of("", ""), 0, null);
        decoder.decode(x, 0.18215, workspace, out);
        assertArrayEquals(out.toFloats(), images.samples());
      }
    }
  }

  @Test
  void theAutoencoderIsFoundBesideTheModel() throws Exception {
    var model = golden("dit-tiny", "a/dit.safetensors");
    refused(() -> ImagePipeline.load(model).close(), "dit.safetensors: ", "give --vae");
    golden("vae-tiny", "a/vae/diffusion_pytorch_model.safetensors");
    try (var pipeline = ImagePipeline.load(model)) {
      assertEquals(1, pipeline.request().count(1).steps(1).generate().count());
    }
    refused(() -> ImagePipeline.loader(model).autoencoder(model).load(), "no autoencoder");
    var pixels = golden("dit-tiny-p4", "a/pixels.safetensors");
    refused(() -> ImagePipeline.loader(pixels).autoencoder(model).load(), "needs no autoencoder");
  }

  @Test
  void anotherSizeIsCountedInPixels() throws Exception {
    var model = golden("dit-tiny", "dit.safetensors");
    var vae = golden("vae-tiny", "vae.safetensors");
    try (var pipeline = ImagePipeline.loader(model).autoencoder(vae).size(24).load()) {
      assertEquals(24, pipeline.size());
      assertEquals(24, pipeline.request().count(1).steps(1).generate().width());
    }
    for (int size : new int[] {23, 26}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> ImagePipeline.loader(model).autoencoder(vae).size(size).load());
    }
  }

  // ------------------------------------------------------------------------------------------
  // texts

  /** A text encoder of random weights, with OpenAI's table of merges. */
  private Path textEncoder(int width, int tokens) throws IOException {
    var folder = Files.createDirectories(dir.resolve("clip-" + width + "-" + tokens));
    var config = new ClipTextConfig(49408, width, 24, 1, 4, tokens, Activation.QUICK_GELU, 1e-5);
    var tensors = new LinkedHashMap<String, Tensor>();
    config
        .stateDict()
        .forEach(
            (key, shape) ->
                tensors.put(
                    key,
                    new RandomParameters().read(key, shape, t -> Tensor.of(shape, t.toFloats()))));
    var description =
        "{\"model\": \"clip-text\", \"hidden_size\": %d, \"intermediate_size\": 24, \"num_hidden_layers\": 1, \"num_attention_heads\": 4, \"max_position_embeddings\": %d}"
            .formatted(width, tokens);
    SafetensorsWriter.write(
        folder.resolve("model.safetensors"), Map.of("config", description), tensors);
    tensors.values().forEach(Tensor::close);
    Files.write(
        folder.resolve("bpe_simple_vocab_16e6.txt.gz"),
        GoldenFiles.bytes("/clip/bpe_simple_vocab_16e6.txt.gz"));
    return folder;
  }

  @Test
  void textsAreDrawn() throws Exception {
    var model = golden("uvit-t2i-tiny", "uvit.safetensors");
    var vae = golden("vae-tiny", "vae.safetensors");
    var clip = textEncoder(48, 7);
    try (var pipeline = ImagePipeline.loader(model).autoencoder(vae).textEncoder(clip).load()) {
      assertTrue(pipeline.takesText());
      assertEquals(0, pipeline.classCount());
      var request = pipeline.request().prompts("a cat", "a dog").count(4).steps(3).seed(2);
      assertEquals("dpm-solver++-fast", request.parameters().get("sampler"));
      assertEquals("[\"a cat\",\"a dog\"]", request.parameters().get("prompts"));
      var strange = pipeline.request().prompts("a cat\",\"a dog", "\u2028\n");
      assertEquals("[\"a cat\\\",\\\"a dog\",\"\\u2028\\n\"]", strange.parameters().get("prompts"));
      var images = request.generate();
      assertEquals(0, images.labels().length);
      var same = pipeline.request().prompts("a cat").count(1).steps(3).seed(2).generate();
      var other = pipeline.request().prompts("a dog").count(1).steps(3).seed(2).generate();
      var none = pipeline.request().count(1).steps(3).seed(2).generate();
      assertArrayEquals(image(images, 0), image(same, 0));
      assertFalse(Arrays.equals(image(same, 0), image(other, 0)), "the text matters");
      assertFalse(Arrays.equals(image(same, 0), image(none, 0)), "no text is another text");
      // guidance away from the empty text does nothing to the empty text
      var unguided = pipeline.request().count(1).steps(3).seed(2).guidance(1).generate();
      assertArrayEquals(image(unguided, 0), image(none, 0), 2e-4f);
      assertThrows(IllegalArgumentException.class, () -> pipeline.request().classes(1));
      var longest = "cat ".repeat(1 << 14);
      assertEquals(1, pipeline.request().prompts(longest).pictures());
      var e =
          assertThrows(
              IllegalArgumentException.class,
              () -> pipeline.request().prompts("a cat", longest + "!"));
      assertTrue(e.getMessage().contains("65537 characters"), e.getMessage());
      assertTrue(e.getMessage().contains("65536 or fewer"), e.getMessage());
    }
    change(clip, Float.NaN);
    try (var pipeline = ImagePipeline.loader(model).autoencoder(vae).textEncoder(clip).load()) {
      var request = pipeline.request().prompts("a cat").steps(3);
      var e = assertThrows(GenerationException.class, request::generate);
      assertTrue(e.getMessage().startsWith("clip-48-7: the text encoder"), e.getMessage());
    }
    var wide = textEncoder(64, 7);
    refused(
        () -> ImagePipeline.loader(model).autoencoder(vae).textEncoder(wide).load(),
        "7 tokens of 64 numbers",
        "7 of 48");
    refused(() -> ImagePipeline.loader(model).autoencoder(vae).load(), "give --text-encoder");
  }

  // ------------------------------------------------------------------------------------------
  // enlarging

  private GeneratedImages small(int count) {
    float[] samples = new float[count * 4 * 4 * 3];
    long[] labels = new long[count];
    for (int i = 0; i < samples.length; i++) {
      samples[i] = (i * 37 % 255) / 127.5f - 1;
    }
    for (int i = 0; i < count; i++) {
      labels[i] = i % 5;
    }
    return new GeneratedImages(
        count, 4, 4, 3, samples, labels, Rounding.DOWN, new LinkedHashMap<>());
  }

  private static GeneratedImages sized(int height, int width, float value) {
    float[] samples = new float[height * width * 3];
    Arrays.fill(samples, value);
    return new GeneratedImages(
        1, height, width, 3, samples, new long[0], Rounding.DOWN, new LinkedHashMap<>());
  }

  @Test
  void picturesAreEnlarged() throws Exception {
    var file = golden("adm-superres-tiny", "up.safetensors");
    try (var pipeline = ImagePipeline.load(file)) {
      assertThrows(IllegalArgumentException.class, () -> pipeline.request().check());
      var images = pipeline.request().lowResolution(small(3)).steps(3).seed(1).generate();
      assertEquals(3, images.count());
      assertEquals(16, images.width());
      assertArrayEquals(new long[] {0, 1, 2}, images.labels());
      var one = pipeline.request().lowResolution(small(3)).steps(3).seed(1).batch(1).generate();
      assertArrayEquals(one.samples(), images.samples());
      var other = pipeline.request().lowResolution(small(3)).classes(4).steps(3).seed(1).generate();
      assertFalse(Arrays.equals(other.samples(), images.samples()), "the class matters");
      // other pictures are other parameters, so that a folder of them is not continued
      assertNotEquals(
          pipeline.request().lowResolution(small(2)).parameters().get("low-res"),
          images.parameters().get("low-res"));
      // in turn, each time with other noise
      var more = pipeline.request().lowResolution(small(3)).count(4).steps(3).seed(1).generate();
      assertArrayEquals(new long[] {0, 1, 2, 0}, more.labels());
      assertFalse(Arrays.equals(image(more, 0), image(more, 3)));
      for (var wrong : List.of(sized(16, 16, 0), sized(4, 5, 0), sized(4, 4, Float.NaN))) {
        assertThrows(IllegalArgumentException.class, () -> pipeline.request().lowResolution(wrong));
      }
      var wrong = small(1);
      wrong.labels()[0] = 5;
      assertThrows(IllegalArgumentException.class, () -> pipeline.request().lowResolution(wrong));
      var e = assertThrows(IllegalArgumentException.class, () -> pipeline.request().check());
      assertTrue(e.getMessage().contains("lowResolution(images)"), e.getMessage());
      assertTrue(e.getMessage().contains("--low-res"), e.getMessage());
    }
    try (var pipeline = ImagePipeline.bundled("dit-fruit")) {
      assertThrows(
          IllegalArgumentException.class, () -> pipeline.request().lowResolution(small(1)));
    }
  }

  @Test
  void oneModelEnlargesWhatAnotherMakes() throws Exception {
    var up = golden("adm-superres-tiny", "up.safetensors");
    var config =
        "{\"model\": \"dit\", \"input_size\": 8, \"patch_size\": 4, \"in_channels\": 3,"
            + " \"hidden_size\": 24, \"depth\": 1, \"num_heads\": 2, \"num_classes\": 5}";
    var shapes = new DiTConfig(8, 4, 3, 24, 1, 2, 4, 5, true, true).stateDict();
    var tensors = new LinkedHashMap<String, Tensor>();
    shapes.forEach(
        (key, shape) ->
            tensors.put(
                key, new RandomParameters().read(key, shape, t -> Tensor.of(shape, t.toFloats()))));
    var base = dir.resolve("base.safetensors");
    SafetensorsWriter.write(base, Map.of("config", config), tensors);
    tensors.values().forEach(Tensor::close);
    try (var pipeline = ImagePipeline.loader(base).upsampler(up).load()) {
      assertEquals(16, pipeline.size());
      var request = pipeline.request().count(3).steps(2).seed(4);
      var together = request.batch(3).generate();
      assertEquals(16, together.width());
      assertArrayEquals(together.samples(), request.batch(1).generate().samples());
      assertEquals("up.safetensors", together.parameters().get("upsampler"));
      // both stages count, and both can be looked at
      var seen = new ArrayList<String>();
      request
          .count(2)
          .onProgress(
              (done, total, preview) ->
                  seen.add(done + "/" + total + " " + preview.images().width()))
          .generate();
      assertEquals(
          List.of("1/8 8", "2/8 8", "3/8 16", "4/8 16", "5/8 8", "6/8 8", "7/8 16", "8/8 16"),
          seen);
      for (float x : together.samples()) {
        assertTrue(Float.isFinite(x));
      }
    }
    refused(() -> ImagePipeline.loader(base).upsampler(base).load(), "does not enlarge");
  }

  // ------------------------------------------------------------------------------------------
  // files of one name

  /** A copy of a file with another first number of a tensor. */
  private Path changed(Path file, String key, float number, String as) throws IOException {
    try (var checkpoint = Checkpoint.open(file)) {
      var tensors = new LinkedHashMap<>(GoldenFiles.tensors(checkpoint));
      var tensor = tensors.get(key);
      float[] numbers = tensor.toFloats();
      numbers[0] = number;
      tensors.put(key, Tensor.of(tensor.shape(), numbers));
      var copy = dir.resolve(as);
      Files.createDirectories(copy.getParent());
      SafetensorsWriter.write(copy, checkpoint.metadata(), tensors);
      return copy;
    }
  }

  /** Another number in the weights of a text encoder. */
  private void change(Path clip, float number) throws IOException {
    var file = clip.resolve("model.safetensors");
    var copy = changed(file, "text_model.final_layer_norm.bias", number, "copy.safetensors");
    Files.move(copy, file, StandardCopyOption.REPLACE_EXISTING);
  }

  private static Map<String, String> parameters(PipelineLoader loader) throws Exception {
    try (var pipeline = loader.load()) {
      return pipeline.request().parameters();
    }
  }

  @Test
  void modelsOfOneNameAreToldApart() throws Exception {
    var model = golden("uvit-t2i-tiny", "a/nnet_ema.safetensors");
    var vae = golden("vae-tiny", "a/vae.safetensors");
    var clip = textEncoder(48, 7);
    var plain = parameters(ImagePipeline.loader(model).autoencoder(vae).textEncoder(clip));
    var again = parameters(ImagePipeline.loader(model).autoencoder(vae).textEncoder(clip));
    assertEquals(plain, again);
    assertTrue(plain.get("model-digest").matches("[0-9a-f]{8}-[0-9a-f]{8}"));

    var otherModel = changed(model, "norm.bias", 7, "b/nnet_ema.safetensors");
    var b = parameters(ImagePipeline.loader(otherModel).autoencoder(vae).textEncoder(clip));
    assertEquals(plain.get("model"), b.get("model"));
    assertNotEquals(plain.get("model-digest"), b.get("model-digest"));
    assertEquals(plain.get("vae-digest"), b.get("vae-digest"));

    var otherVae = changed(vae, "decoder.conv_out.bias", 7, "b/vae.safetensors");
    var c = parameters(ImagePipeline.loader(model).autoencoder(otherVae).textEncoder(clip));
    assertEquals(plain.get("vae"), c.get("vae"));
    assertNotEquals(plain.get("vae-digest"), c.get("vae-digest"));
    assertEquals(plain.get("model-digest"), c.get("model-digest"));

    change(clip, 7);
    var d = parameters(ImagePipeline.loader(model).autoencoder(vae).textEncoder(clip));
    assertEquals(plain.get("text-encoder"), d.get("text-encoder"));
    assertNotEquals(plain.get("text-encoder-digest"), d.get("text-encoder-digest"));
  }

  @Test
  void theSameWeightsAreAnotherNetworkWithAnotherDescription() throws Exception {
    var model = golden("dit-tiny-p4", "dit.safetensors");
    var plain = parameters(ImagePipeline.loader(model)).get("model-digest");
    String text;
    try (var checkpoint = Checkpoint.open(model)) {
      text = checkpoint.metadata().get("config");
    }
    var description = dir.resolve("config.json");
    Files.writeString(description, text);
    var same = parameters(ImagePipeline.loader(model).description(description));
    assertEquals(plain, same.get("model-digest"));
    var heads = text.replaceFirst("\"num_heads\": *[0-9]+", "\"num_heads\": 2");
    var steps = text.replaceFirst("\\}$", ", \"diffusion\": {\"steps\": 500}}");
    for (var changed : List.of(heads, steps)) {
      assertNotEquals(text, changed);
      Files.writeString(description, changed);
      var other = parameters(ImagePipeline.loader(model).description(description));
      assertEquals(plain.substring(0, 9), other.get("model-digest").substring(0, 9));
      assertNotEquals(plain, other.get("model-digest"), changed);
    }
    var large = parameters(ImagePipeline.loader(model).size(32)).get("model-digest");
    assertNotEquals(plain, large);
  }

  // ------------------------------------------------------------------------------------------
  // sinks

  @Test
  void onlyWhatIsWantedIsMade() throws Exception {
    try (var pipeline = ImagePipeline.bundled("uvit-digits")) {
      var request = pipeline.request().count(7).batch(3).steps(2).seed(8);
      var all = request.generate();
      var made = new LinkedHashMap<Integer, float[]>();
      var sink =
          new ImageSink() {
            @Override
            public boolean wants(int index) {
              return index != 0 && index != 4;
            }

            @Override
            public void accept(int index, GeneratedImages one) {
              made.put(index, one.samples());
            }
          };
      assertEquals(5, request.generate(sink));
      assertEquals(List.of(1, 2, 3, 5, 6), List.copyOf(made.keySet()));
      made.forEach((index, samples) -> assertArrayEquals(image(all, index), samples));

      // one generator for all must draw for all, but nobody is given what he has
      var torch = request.rng(Rng.TORCH).generate();
      made.clear();
      assertEquals(5, request.generate(sink));
      assertEquals(List.of(1, 2, 3, 5, 6), List.copyOf(made.keySet()));
      made.forEach((index, samples) -> assertArrayEquals(image(torch, index), samples));
      var steps = new ArrayList<String>();
      request.onProgress((done, total, _) -> steps.add(done + "/" + total));
      assertEquals(1, request.generate(only(4)));
      assertEquals(List.of("1/4", "2/4", "3/4", "4/4"), steps, "the third batch is not wanted");
      var full = new IOException("full");
      var e =
          assertThrows(
              IOException.class,
              () ->
                  pipeline
                      .request()
                      .count(2)
                      .steps(1)
                      .generate(
                          (index, one) -> {
                            throw full;
                          }));
      assertEquals(full, e);
    }
  }

  private static ImageSink only(int wanted) {
    return new ImageSink() {
      @Override
      public boolean wants(int index) {
        return index == wanted;
      }

      @Override
      public void accept(int index, GeneratedImages one) {
        assertEquals(wanted, index);
      }
    };
  }

  /** Each preset's process takes each preset's sampler, or says why not. */
  @Test
  void defaultSamplersFitTheirTraining() {
    for (var preset : Preset.all()) {
      var settings = SamplerSettings.steps(preset.sampling().steps());
      var sampling =
          Samplers.of(preset.sampling().sampler(), preset.training().process(), settings);
      assertEquals(
          preset.training().schedule() == Training.Schedule.EDM,
          sampling.preconditioning() != null,
          preset.name());
    }
  }
}
