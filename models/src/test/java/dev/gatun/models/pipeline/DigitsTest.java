package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.adm.AdmClassifier;
import dev.gatun.models.diffusion.Noise;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.random.TorchRandom;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The bundled models of digits: they draw what the authors' code drew from the same seed, and what
 * they were asked for.
 */
class DigitsTest {
  private static final int COUNT = 40;
  private static final int SIDE = 16;
  private static final int MOST_LEVELS = 2;

  /**
   * Who draws for all pictures from one generator: the scripts of DiT and DiffiT for both halves of
   * a guided batch on the way, that of U-ViT once. Each batch begins with noise for itself.
   */
  @ParameterizedTest
  @CsvSource({"dit-fruit, ddpm, 2", "diffit-digits, ddim, 2", "uvit-digits, em-sde, 1"})
  void oneGeneratorForAll(String name, String sampler, int copies) throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var pipeline = ImagePipeline.bundledLoader(name).backend(backend).load()) {
      var request = pipeline.request().classes(1).count(4).batch(2).steps(3).seed(6);
      float[] made = request.sampler(sampler).rng(Rng.TORCH).generate().samples();
      var noise = Noise.batch(new TorchRandom(6), copies, backend);
      int side = pipeline.size();
      for (int first = 0; first < 4; first += 2) {
        try (var x = backend.allocate(DType.F32, Shape.of(2, side, side, pipeline.channels()))) {
          noise.begin(x);
          new Pass(pipeline, request)
              .sample(x, noise, new long[] {1, 1}, List.of("", ""), first, null);
          float[] expected = x.toFloats();
          int from = first / 2 * expected.length;
          assertArrayEquals(expected, Arrays.copyOfRange(made, from, from + expected.length));
        }
      }
    }
  }

  /** Guidance is the model's own, sampler and steps are those of the golden. */
  @ParameterizedTest
  @CsvSource({
    "adm-digits, ddim, 50, 2.0",
    "diffit-digits, ddim, 50, 1.5",
    "uvit-digits, dpm-solver++, 25, 1.5"
  })
  void thePicturesAreThoseOfTorch(String name, String sampler, int steps, String guidance)
      throws Exception {
    Map<String, Tensor> golden;
    try (var file = GoldenFiles.open(name + ".golden.safetensors")) {
      golden = GoldenFiles.tensors(file);
    }
    int[] classes = new int[COUNT];
    for (int i = 0; i < COUNT; i++) {
      classes[i] = (int) golden.get("y").getLong(i);
    }
    try (var pipeline = ImagePipeline.bundled(name)) {
      var request = pipeline.request().classes(classes).seed(0).rng(Rng.TORCH);
      var images = request.sampler(sampler).steps(steps).generate();
      assertEquals(guidance, images.parameters().get("guidance"));
      byte[] expected = images(golden.get("x_0").toFloats()).bytes();
      byte[] found = images.bytes();
      assertEquals(expected.length, found.length);
      int most = 0;
      int differing = 0;
      for (int i = 0; i < found.length; i++) {
        int distance = Math.abs((expected[i] & 0xFF) - (found[i] & 0xFF));
        most = Math.max(most, distance);
        differing += distance == 0 ? 0 : 1;
      }
      var report =
          "%s: off by %d levels at most, %d of %d numbers differ"
              .formatted(name, most, differing, found.length);
      System.getLogger(DigitsTest.class.getName()).log(System.Logger.Level.INFO, report);
      assertTrue(most <= MOST_LEVELS, report);
    }
  }

  /** With one channel, channels first and last are the same. */
  private static GeneratedImages images(float[] samples) {
    return new GeneratedImages(
        COUNT, SIDE, SIDE, 1, samples, new long[COUNT], Rounding.NEAREST, new LinkedHashMap<>());
  }

  /** Of the digits drawn without a classifier, it takes nine of ten for what was asked for. */
  @ParameterizedTest
  @ValueSource(strings = {"adm-digits", "diffit-digits", "uvit-digits"})
  void theClassifierSeesWhatWasAskedFor(String name) throws Exception {
    try (var pipeline = ImagePipeline.bundled(name)) {
      var request = pipeline.request().count(100).seed(1);
      var images = (name.equals("adm-digits") ? request.guidance(0) : request).generate();
      int right = recognised(images);
      assertTrue(right >= 90, name + ": " + right + " of 100 digits are recognised, seed 1");
    }
  }

  private static int recognised(GeneratedImages images) throws Exception {
    int n = images.count();
    try (var backend = Backend.open(Device.CPU);
        var bundled = BundledModels.open("adm-digits-classifier");
        var classifier =
            (AdmClassifier)
                ModelFile.recognise(bundled.checkpoint(), null)
                    .load(bundled.checkpoint(), backend);
        var x = Tensor.of(Shape.of(n, 1, SIDE, SIDE), images.samples());
        var t = Tensor.allocate(DType.F32, Shape.of(n));
        var logits = classifier.evaluate(Map.of("x", x, "t", t)).get("logits")) {
      int right = 0;
      for (int i = 0; i < n; i++) {
        int best = 0;
        for (int c = 1; c < 10; c++) {
          if (logits.getFloat(i * 10 + c) > logits.getFloat(i * 10 + best)) {
            best = c;
          }
        }
        right += best == images.labels()[i] ? 1 : 0;
      }
      return right;
    }
  }

  /** The same noise and label for the network; only the classifier is asked for another digit. */
  @Test
  void theClassifierIsObeyed() throws Exception {
    try (var pipeline = ImagePipeline.bundled("adm-digits")) {
      var request = pipeline.request().classes(3).count(1).seed(3);
      float[] unguided = request.guidance(0).generate().samples();
      float[] guided = request.guidance(2).generate().samples();
      assertFalse(Arrays.equals(unguided, guided));
      assertEquals(SamplingDefaults.Guidance.CLASSIFIER, pipeline.guidance());
    }
  }
}
