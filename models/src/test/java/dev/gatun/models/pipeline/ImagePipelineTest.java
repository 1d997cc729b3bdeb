package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.checkpoint.TestFiles;
import dev.gatun.models.diffusion.SamplerSettings.Levels;
import dev.gatun.models.diffusion.Spacing;
import dev.gatun.models.diffusion.X0Correction;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The pipeline with a tiny network of random weights: 16×16 pixels, seven classes. */
class ImagePipelineTest {
  private static final String CONFIG =
      "{\"model\": \"dit\", \"input_size\": 16, \"patch_size\": 4, \"in_channels\": 3,"
          + " \"hidden_size\": 72, \"depth\": 2, \"num_heads\": 6, \"num_classes\": 7,"
          + " \"learn_sigma\": false}";
  private static final String CLASSES =
      "[\"ant\", \"Bee\", \"cat\", \"dog\", \"eel\", \"fox\", \"red gnu\"]";
  private static final String DIFFUSION =
      "{\"space\": \"pixel\", \"variance\": \"fixed_small\", \"guidance\": 1.5}";
  private static final int IMAGE = 16 * 16 * 3;

  @TempDir Path dir;

  // ------------------------------------------------------------------------------------------
  // what does not change a picture

  @ParameterizedTest
  @CsvSource({
    "ddim, 0",
    "ddim, 0.7",
    "ddpm, 0",
    "dpm-solver++, 0",
    "dpm-solver-fast, 0",
    "edm, 0",
    "euler-a, 0",
    "dpmpp-2m-sde, 0.5",
    "lms, 0"
  })
  void aPictureDependsNeitherOnCountNorOnBatchNorOnThreads(String sampler, double eta)
      throws Exception {
    var few = generate(1, sampler, eta, 5, 2);
    var many = generate(2, sampler, eta, 7, 3);
    assertEquals(5 * IMAGE, few.samples().length);
    assertArrayEquals(few.samples(), Arrays.copyOf(many.samples(), 5 * IMAGE), "seed 11");
    for (int i = 1; i < 7; i++) {
      assertFalse(Arrays.equals(image(many, 0), image(many, i)), "picture " + i + " is picture 0");
    }
  }

  private GeneratedImages generate(int threads, String sampler, double eta, int count, int batch)
      throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", threads);
        var pipeline = pipeline(backend)) {
      var request = pipeline.request().sampler(sampler).steps(6).seed(11);
      if (eta > 0) {
        request.eta(eta);
      }
      return request.classes(3, 1, 6).count(count).batch(batch).generate();
    }
  }

  private static float[] image(GeneratedImages images, int i) {
    return Arrays.copyOfRange(images.samples(), i * IMAGE, (i + 1) * IMAGE);
  }

  @Test
  void aRequestCanBeMadeAgain() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      var request = pipeline.request().steps(5).count(3).seed(4);
      var first = request.generate();
      pipeline.request().steps(3).count(5).seed(9).guidance(1).generate();
      assertArrayEquals(first.samples(), request.generate().samples(), "seed 4");
      float[] other = request.seed(5).generate().samples();
      assertFalse(Arrays.equals(first.samples(), other));
      assertEquals("5", request.generate().parameters().get("steps"));
      assertEquals("4", first.parameters().get("seed"));
      // what would make them again
      assertEquals(
          "model: tiny.safetensors, seed: 4, count: 3, classes: all, size: 16, rng: image,"
              + " sampler: ddim, steps: 5, guidance: 1.5, guidance-channels: all, clip: true,"
              + " model-digest: DIGEST, dtype: f32, backend: cpu",
          first.describe().replaceFirst("[0-9a-f]{8}-[0-9a-f]{8}", "DIGEST"));
      var torch = request.rng(Rng.TORCH).guidanceChannels(2).batch(3).sampler("ddpm").generate();
      assertEquals("2", torch.parameters().get("guidance-channels"));
      assertEquals("3", torch.parameters().get("batch"));
      assertFalse(torch.parameters().containsKey("eta"));
    }
  }

  @Test
  void thePredictedPictureCanBeCorrectedInOtherWays() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      var plain = one(pipeline, r -> r.guidance(6).clip(false));
      var dynamic = new X0Correction.DynamicThresholding(0.5, 1);
      var request = pipeline.request().count(1).steps(5).guidance(6).correction(dynamic);
      var corrected = request.generate();
      assertEquals("0.5", corrected.parameters().get("threshold"));
      assertFalse(Arrays.equals(plain, corrected.samples()));
      for (float x : corrected.samples()) {
        assertTrue(Math.abs(x) <= 1 + 1e-6, "divided by the quantile: " + x);
      }
      // the last step returns what was predicted, and so what the caller makes of it
      X0Correction.Custom grey = (x0, t) -> backend.clamp(x0, 0.25, 0.25, x0);
      var images = request.correction(grey).generate();
      assertEquals("by the caller", images.parameters().get("clip"));
      for (float x : images.samples()) {
        assertEquals(0.25f, x);
      }
      // what a sampler has no place for is the default no longer, and refused where asked for
      var plainly = pipeline.request().sampler("em-sde").steps(2);
      assertEquals("false", plainly.check().parameters().get("clip"));
      var e = assertThrows(IllegalArgumentException.class, () -> plainly.clip(true).check());
      assertTrue(e.getMessage().contains("em-sde takes no clip"), e.getMessage());
    }
  }

  /** Settings that must matter, each from the same seed. */
  @Test
  void settingsChangeThePicture() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      float[] plain = one(pipeline, r -> {});
      assertArrayEquals(plain, one(pipeline, r -> r.guidance(1.5).clip(true).sampler("DDIM")));
      List<Consumer<ImageRequest>> changes =
          List.of(
              r -> r.guidance(3),
              r -> r.guidance(1),
              r -> r.guidanceChannels(1),
              r -> r.eta(1),
              r -> r.sampler("ddpm"),
              r -> r.sampler("dpm-solver++").order(3),
              r -> r.sampler("dpm-solver++").spacing(Spacing.LAMBDA),
              r -> r.sampler("euler").levels(Levels.EXPONENTIAL),
              r -> r.steps(7),
              r -> r.classes(2),
              r -> r.rng(Rng.TORCH),
              r -> r.rng(Rng.CUDA));
      for (int i = 0; i < changes.size(); i++) {
        assertFalse(Arrays.equals(plain, one(pipeline, changes.get(i))), "change " + i);
      }
    }
  }

  private static float[] one(ImagePipeline pipeline, Consumer<ImageRequest> change)
      throws InterruptedException {
    var request = pipeline.request().steps(4).count(1).seed(1);
    change.accept(request);
    return request.generate().samples();
  }

  // ------------------------------------------------------------------------------------------
  // progress and interruption

  @Test
  void progressCountsTheStepsOfAllBatches() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      var seen = new ArrayList<String>();
      var previews = new ArrayList<GeneratedImages>();
      var images =
          pipeline
              .request()
              .classes(0, 1, 2, 3, 4)
              .batch(2)
              .steps(4)
              .onProgress(
                  (done, total, preview) -> {
                    seen.add(done + "/" + total);
                    previews.add(preview.images());
                  })
              .generate();
      var expected = new ArrayList<String>();
      for (int i = 1; i <= 12; i++) {
        expected.add(i + "/12");
      }
      assertEquals(expected, seen);
      assertEquals(2, previews.getFirst().count());
      assertArrayEquals(new long[] {0, 1}, previews.getFirst().labels());
      assertArrayEquals(new long[] {4}, previews.getLast().labels());
      assertEquals(16, previews.getLast().image(0).getWidth());
      // the last step of DDIM ends at the picture that the network sees
      assertArrayEquals(image(images, 4), previews.getLast().samples(), 1e-6f);
    }
  }

  @Test
  void anInterruptStopsAtTheNextStepAndHarmsNothing() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var pipeline = pipeline(backend)) {
      var expected = one(pipeline, r -> {});
      var steps = new ArrayList<Integer>();
      var request =
          pipeline
              .request()
              .count(4)
              .batch(2)
              .steps(5)
              .onProgress(
                  (done, total, preview) -> {
                    steps.add(done);
                    if (done == 7) {
                      Thread.currentThread().interrupt();
                    }
                  });
      assertThrows(InterruptedException.class, request::generate);
      assertFalse(Thread.currentThread().isInterrupted());
      assertEquals(List.of(1, 2, 3, 4, 5, 6, 7), steps);
      assertArrayEquals(expected, one(pipeline, r -> {}));

      Thread.currentThread().interrupt();
      assertThrows(InterruptedException.class, () -> one(pipeline, r -> {}));
      assertArrayEquals(expected, one(pipeline, r -> {}));
    }
  }

  @Test
  void aListenerThatThrowsHarmsNothing() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      var expected = one(pipeline, r -> {});
      var e =
          assertThrows(
              IllegalStateException.class,
              () ->
                  one(
                      pipeline,
                      r ->
                          r.onProgress(
                              (done, total, preview) -> {
                                throw new IllegalStateException("mine");
                              })));
      assertEquals("mine", e.getMessage());
      assertArrayEquals(expected, one(pipeline, r -> {}));
    }
  }

  @Test
  void eachStepIsAnEventWithADurationOfItsOwn() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend);
        var recording = new Recording()) {
      recording.enable("dev.gatun.Step");
      recording.start();
      pipeline.request().count(3).batch(2).steps(4).generate();
      recording.stop();
      var file = dir.resolve("steps.jfr");
      recording.dump(file);
      var events =
          RecordingFile.readAllEvents(file).stream()
              .filter(event -> event.getEventType().getName().equals("dev.gatun.Step"))
              .toList();
      assertEquals(8, events.size());
      Instant end = Instant.MIN;
      for (int i = 0; i < events.size(); i++) {
        var event = events.get(i);
        assertEquals(i % 4 + 1, event.getInt("step"));
        assertEquals(4, event.getInt("steps"));
        assertEquals(i < 4 ? 2 : 1, event.getInt("pictures"));
        assertTrue(event.getDuration().isPositive(), event.toString());
        // the clock's ticks are rounded to nanoseconds
        assertTrue(event.getStartTime().plusNanos(1000).isAfter(end), "step " + i + " overlaps");
        end = event.getEndTime();
      }
    }
  }

  // ------------------------------------------------------------------------------------------
  // requests

  @Test
  void classesAreTakenByNameOrNumberInTurn() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      assertEquals(7, pipeline.classCount());
      var images = pipeline.request().classes("bee", " RED GNU ", "4").count(5).steps(1).generate();
      assertArrayEquals(new long[] {1, 6, 4, 1, 6}, images.labels());
      assertEquals(3, pipeline.request().classes(0, 0, 0).steps(1).generate().count());
      var all = pipeline.request().steps(1).generate();
      assertArrayEquals(new long[] {0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1}, all.labels());
    }
  }

  @Test
  void wrongRequestsAreSaid() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      var r = pipeline.request();
      refused(() -> r.classes("gnat"), "no class 'gnat'", "ant, Bee, cat, dog, eel, fox, red gnu");
      refused(() -> r.classes("7"), "class 7 is not one of 0 to 6");
      refused(() -> r.classes("99999999999"), "no class '99999999999'");
      refused(() -> r.classes(-1), "class -1");
      refused(() -> r.count(0), "count is 0, expected 1 to 1000000");
      refused(() -> r.count(Integer.MAX_VALUE), "count is 2147483647");
      refused(() -> r.steps(0), "steps is 0, expected 1 to 10000");
      refused(() -> r.steps(10001), "steps is 10001");
      refused(() -> pipeline.request().steps(1001).check(), "1001", "1000");
      refused(() -> r.respacing("ddim300"), "ddim300");
      refused(() -> r.churn(-1), "churn is -1.0, expected 0 to 1000");
      refused(() -> r.prompts("a cat"), "trained with texts");
      refused(() -> r.eta(-0.1), "eta is -0.1, expected 0 to 1");
      refused(() -> r.eta(Double.NaN), "eta is NaN");
      refused(() -> r.guidance(Double.NaN), "guidance is NaN");
      refused(() -> r.guidance(Double.POSITIVE_INFINITY), "guidance is Infinity");
      refused(() -> r.guidance(1001), "guidance is 1001.0");
      refused(() -> r.guidanceChannels(4), "guidance channels is 4, expected 0 to 3");
      refused(() -> r.batch(0), "batch is 0");
      refused(() -> r.sampler("plms"), "no sampler 'plms'", "ddim, ");
      // what was refused is not kept
      assertEquals(16, r.steps(1).generate().count());
    }
  }

  @Test
  void morePixelsThanAnArrayHoldsAreRefused() throws Exception {
    var config = CONFIG.replace("\"input_size\": 16", "\"input_size\": 256").replace("72", "24");
    var shapes = new DiTConfig(256, 4, 3, 24, 2, 6, 4, 7, true, false).stateDict();
    var file =
        TestFiles.sparse(
            dir.resolve("wide.safetensors"), Map.of("config", config), shapes, DType.F32);
    try (var pipeline = ImagePipeline.load(file)) {
      refused(
          () -> pipeline.request().count(ImageRequest.MOST).generate(),
          "count is 1000000, expected at most 10922 pictures");
    }
  }

  private static void refused(Executable request, String... facts) {
    var e = assertThrows(IllegalArgumentException.class, request);
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }

  // ------------------------------------------------------------------------------------------
  // models

  @Test
  void weightsThatAreNoNumbersAreSaidInTheFirstStep() throws Exception {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      var tensors = tensors();
      var bias = tensors.get("final_layer.linear.bias").toFloats();
      bias[5] = bad;
      tensors.put("final_layer.linear.bias", Tensor.of(Shape.of(48), bias));
      var file = write(dir.resolve("holes.safetensors"), tensors, Map.of("config", CONFIG));
      for (boolean clip : new boolean[] {false, true}) {
        try (var pipeline = ImagePipeline.load(file)) {
          var steps = new ArrayList<Integer>();
          var request =
              pipeline.request().clip(clip).count(2).onProgress((d, t, p) -> steps.add(d));
          var e = assertThrows(GenerationException.class, request::generate, bad + " " + clip);
          assertTrue(e.getMessage().startsWith("holes.safetensors: the network gave"));
          assertTrue(e.getMessage().contains("first step"), e.getMessage());
          assertEquals(List.of(), steps);
        }
      }
    }
  }

  @Test
  void aLatentModelNeedsAnAutoencoder() throws Exception {
    try (var checkpoint = GoldenFiles.open("dit-tiny.model.safetensors");
        var backend = Backend.open(Device.CPU, "reference", 1)) {
      var model = ModelFile.recognise(checkpoint, null);
      var e =
          assertThrows(
              CheckpointException.class, () -> ImagePipeline.load(checkpoint, model, backend));
      assertTrue(e.getMessage().startsWith("dit-tiny.model.safetensors: makes latents"));
      assertTrue(e.getMessage().contains("give --vae"), e.getMessage());
    }
  }

  @Test
  void bundledModels() throws Exception {
    assertEquals("dit-fruit", BundledModels.names().getFirst());
    for (var name : BundledModels.names()) {
      try (var bundled = BundledModels.open(name)) {
        var model = ModelFile.recognise(bundled.checkpoint(), null);
        assertEquals(List.of(), model.missing());
        assertEquals(List.of(), model.leftOver());
        assertEquals(10, model.classes().size() % 14); // digits, or 24 kinds of fruit
      }
    }
    var e = assertThrows(CheckpointException.class, () -> ImagePipeline.bundled("dit-cats"));
    assertTrue(e.getMessage().startsWith("dit-cats: "), e.getMessage());
    assertTrue(e.getMessage().contains("bundled are dit-fruit"), e.getMessage());
  }

  @Test
  void aModelSaysHowItIsSampled() throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var pipeline = pipeline(backend)) {
      var recipe = pipeline.model().recipe();
      assertEquals("ddim", recipe.sampling().sampler());
      assertEquals(50, recipe.sampling().steps());
      assertEquals(1.5, recipe.sampling().scale());
      assertEquals(7, recipe.training().nullClass());
      assertEquals(backend, pipeline.backend());
    }
    // what DiT's scripts do with pixels of one channel, which cannot guide three
    var grey = Recipe.byDefault(new DiTConfig(16, 4, 1, 72, 2, 6, 4, 10, true, true));
    assertFalse(grey.training().latent());
    assertEquals(1, grey.sampling().guidedChannels());
    assertEquals("ddpm", grey.sampling().sampler());
    assertTrue(grey.sampling().clip());
    var plain = Recipe.byDefault(new DiTConfig(16, 4, 3, 72, 2, 6, 4, 10, false, true));
    assertEquals(-1, plain.training().nullClass());
    assertEquals(1, plain.sampling().scale());
  }

  @Test
  void aModelWithoutANullClassCannotBeGuided() throws Exception {
    var tensors = tensors();
    var file =
        write(
            dir.resolve("plain.safetensors"),
            tensors,
            Map.of(
                "config",
                CONFIG.replace(
                    "\"num_classes\": 7", "\"num_classes\": 8, \"class_dropout_prob\": 0")));
    try (var pipeline = ImagePipeline.load(file)) {
      assertEquals(8, pipeline.classCount());
      refused(() -> pipeline.request().guidance(2), "no class", "leave it at 1");
      assertEquals(2, pipeline.request().classes(7, 0).steps(2).generate().count());
    }
  }

  @Test
  void closingTwiceDoesNothing() throws Exception {
    var file = write(dir.resolve("tiny.safetensors"), tensors(), Map.of("config", CONFIG));
    var pipeline = ImagePipeline.load(file);
    assertNotEquals("", pipeline.backend().description());
    pipeline.close();
    pipeline.close();
    assertThrows(IllegalStateException.class, () -> pipeline.request().steps(1).generate());
  }

  private ImagePipeline pipeline(Backend backend) throws IOException {
    var file = dir.resolve("tiny.safetensors");
    write(file, tensors(), Map.of("config", CONFIG, "classes", CLASSES, "diffusion", DIFFUSION));
    try (var checkpoint = Checkpoint.open(file)) {
      return ImagePipeline.load(checkpoint, ModelFile.recognise(checkpoint, null), backend);
    }
  }

  private static Path write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata)
      throws IOException {
    SafetensorsWriter.write(file, metadata, tensors);
    return file;
  }

  private static Map<String, Tensor> tensors() throws IOException {
    try (var checkpoint = GoldenFiles.open("dit-tiny-p4.model.safetensors")) {
      var tensors = new LinkedHashMap<>(GoldenFiles.tensors(checkpoint));
      tensors.values().forEach(tensor -> assertEquals(DType.F16, tensor.dtype()));
      return tensors;
    }
  }
}
