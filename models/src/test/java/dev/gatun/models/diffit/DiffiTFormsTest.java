package dev.gatun.models.diffit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.models.RandomParameters;
import dev.gatun.models.diffit.DiffiTImageConfig.Training;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** DiffiT in other forms than those that there is a golden of: held against those. */
class DiffiTFormsTest {
  /**
   * A network for EDM, which knows neither classes nor a variance, is the golden's with a label
   * table of zeros and the first half of its head.
   */
  @Test
  void withoutClassesAndVariance() throws IOException {
    var golden = Goldens.io("diffit-image-tiny");
    var weights = new HashMap<>(Goldens.weights("diffit-image-tiny"));
    var full = (DiffiTImageConfig) Goldens.config("diffit-image-tiny");
    var edm =
        new DiffiTImageConfig(
            16, 3, 3, full.dims(), full.depths(), full.heads(), 4, 0, 128, 64, 4, Training.EDM, 16);
    try (var backend = Backend.open(Device.CPU, "cpu", 1)) {
      weights.put("label_emb.weight", Tensor.allocate(DType.F32, Shape.of(11, 128)));
      float[] expected;
      try (var network = new DiffiTImage(full, new TensorParameters(weights), backend);
          var out = network.evaluate(golden).get("out")) {
        expected = out.toFloats();
      }
      weights.remove("label_emb.weight");
      weights.put("head.weight", weights.get("head.weight").slice(0, 3));
      weights.put("head.bias", weights.get("head.bias").columns(0, 3));
      var inputs = Map.of("x", golden.get("x"), "t", golden.get("t"));
      try (var network = new DiffiTImage(edm, new TensorParameters(weights), backend);
          var out = network.evaluate(inputs).get("out");
          var trial = network.trial(2)) {
        assertEquals(Shape.of(2, 3, 16, 16), out.shape());
        float[] found = out.toFloats();
        int image = 3 * 16 * 16;
        for (int n = 0; n < 2; n++) {
          float[] half = Arrays.copyOfRange(expected, 2 * n * image, (2 * n + 1) * image);
          assertArrayEquals(half, Arrays.copyOfRange(found, n * image, (n + 1) * image), 1e-6f);
        }
        trial.run();
      }
    }
  }

  /**
   * What a latent model of another size computes of a constant picture, where no position differs
   * from another: the same at every patch, and the same as at the trained size.
   */
  @ParameterizedTest
  @CsvSource({"12", "4", "16"})
  void anotherSizeOfTheLatentModel(int size) throws IOException {
    var weights = new HashMap<>(Goldens.weights("diffit-latent-tiny"));
    weights.replaceAll(
        (key, tensor) ->
            key.equals("pos_embed") || key.endsWith("_bias_table") ? rows(tensor) : tensor);
    var config = (DiffiTLatentConfig) Goldens.config("diffit-latent-tiny");
    float[] trained = constant(config, weights);
    float[] other = constant(config.withInputSize(size), weights);
    for (int c = 0; c < 8; c++) {
      for (int i = 0; i < size * size; i++) {
        int inPatch = i / size % 2 * 8 + i % size % 2;
        float expected = trained[c * 64 + inPatch];
        assertEquals(expected, other[c * size * size + i], 2e-5f, "channel " + c + ", pixel " + i);
      }
    }
  }

  /** The first row of a table everywhere. */
  private static Tensor rows(Tensor table) {
    int cols = table.dim(-1);
    float[] values = table.toFloats();
    for (int i = cols; i < values.length; i++) {
      values[i] = values[i - cols];
    }
    return Tensor.of(table.shape(), values);
  }

  private static float[] constant(DiffiTLatentConfig config, Map<String, Tensor> weights) {
    int side = config.inputSize();
    float[] ones = new float[4 * side * side];
    Arrays.fill(ones, 1);
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = new DiffiTLatent(config, new TensorParameters(weights), backend);
        var x = Tensor.of(Shape.of(1, 4, side, side), ones);
        var t = Tensor.of(Shape.of(1), 300f);
        var y = Tensor.of(Shape.of(1), 4L);
        var out = network.evaluate(Map.of("x", x, "t", t, "y", y)).get("out")) {
      return out.toFloats();
    }
  }

  /**
   * Where no convolution looks aside, windows and the statistics of groups are all that couples
   * positions, so four copies of an image side by side become four copies of the result.
   */
  @Test
  void anotherSizeOfTheModelOfImages() throws IOException {
    var config = (DiffiTImageConfig) Goldens.config("diffit-image-tiny3");
    var weights = new HashMap<>(Goldens.weights("diffit-image-tiny3"));
    weights.replaceAll((key, tensor) -> key.endsWith("index") ? tensor : centre(tensor));
    var x = Goldens.io("diffit-image-tiny3").get("x").slice(0, 1);
    float[] one = image(config, weights, x);
    float[] four = new float[32 * 32];
    for (int i = 0; i < four.length; i++) {
      four[i] = x.getFloat(i / 32 % 16 * 16 + i % 16);
    }
    four = image(config.withInputSize(32), weights, Tensor.of(Shape.of(1, 1, 32, 32), four));
    for (int i = 0; i < four.length; i++) {
      assertEquals(one[i / 32 % 16 * 16 + i % 16], four[i], 2e-5f, "pixel " + i);
    }
  }

  /** A kernel of 3×3 with zeros around its centre; other tensors as they are. */
  private static Tensor centre(Tensor tensor) {
    float[] values = tensor.toFloats();
    if (tensor.shape().rank() == 4 && tensor.dim(3) == 3) {
      for (int i = 0; i < values.length; i++) {
        values[i] = i % 9 == 4 ? values[i] : 0;
      }
    }
    return Tensor.of(tensor.shape(), values);
  }

  private static float[] image(
      DiffiTImageConfig config, Map<String, Tensor> weights, Tensor image) {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = new DiffiTImage(config, new TensorParameters(weights), backend);
        var t = Tensor.of(Shape.of(1), 300f);
        var y = Tensor.of(Shape.of(1), 4L);
        var out = network.evaluate(Map.of("x", image, "t", t, "y", y)).get("out")) {
      return out.toFloats();
    }
  }

  /** What {@code bench} does. */
  @Test
  void networksOfMadeUpWeightsCanBeTimed() {
    var image =
        new DiffiTImageConfig(
            16,
            3,
            3,
            List.of(16, 32),
            List.of(1, 1),
            List.of(2, 2),
            4,
            0,
            32,
            16,
            4,
            Training.EDM,
            16);
    var latent = new DiffiTLatentConfig(8, 2, 4, 48, 2, 3, 4, 10, true, true, 8);
    for (DiffusionConfig config : List.of(image, latent)) {
      try (var backend = Backend.open(Device.CPU, "cpu", 2);
          var network =
              Goldens.family(config.model()).load(config, new RandomParameters(), backend);
          var trial = network.trial(3)) {
        trial.run();
        trial.run();
      }
    }
  }
}
