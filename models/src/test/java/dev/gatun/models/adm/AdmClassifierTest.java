package dev.gatun.models.adm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.diffusion.Allocated;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** ADM's classifier and its gradient against what the authors' code computed. */
class AdmClassifierTest {
  private static final double TOLERANCE = 2e-5;
  private static final int PASSES = 4;

  @ParameterizedTest
  @CsvSource({
    "attention, cpu, 1",
    "attention, cpu, 2",
    "attention, reference, 1",
    "adaptive, cpu, 1",
    "adaptive, cpu, 2",
    "adaptive, reference, 1",
    "spatial, cpu, 1",
    "spatial, cpu, 2",
    "spatial, reference, 1",
    "spatial_v2, cpu, 1",
    "spatial_v2, cpu, 2",
    "spatial_v2, reference, 1"
  })
  void agreesWithTheAuthorsCode(String pool, String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = Goldens.network("adm-classifier-" + pool, backend)) {
      assertEquals(backendName, backend.name());
      assertEquals(threads, backend.threads());
      var golden = Goldens.io("adm-classifier-" + pool);
      var results = network.evaluate(golden);
      try (var logits = results.get("logits");
          var grad = results.get("grad")) {
        double error = GoldenFiles.error(golden.get("logits"), logits);
        assertTrue(error <= TOLERANCE, "logits are off by " + error);
        double gradError = GoldenFiles.error(golden.get("grad"), grad);
        assertTrue(gradError <= TOLERANCE, "grad is off by " + gradError);
      }
      golden.remove("y");
      var without = network.evaluate(golden);
      assertFalse(without.containsKey("grad"));
      try (var logits = without.get("logits")) {
        double error = GoldenFiles.error(golden.get("logits"), logits);
        assertTrue(error <= TOLERANCE, "logits without y are off by " + error);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"attention", "adaptive", "spatial", "spatial_v2"})
  void bitsDependNeitherOnThreadsNorOnTheBatch(String pool) throws IOException {
    var name = "adm-classifier-" + pool;
    var golden = Goldens.io(name);
    float[][] both;
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = (AdmClassifier) Goldens.network(name, backend)) {
      both = evaluate(network, golden);
      for (int i = 0; i < 2; i++) {
        var alone = evaluate(network, Goldens.sample(golden, i));
        for (int of = 0; of < 2; of++) {
          int size = both[of].length / 2;
          float[] expected = Arrays.copyOfRange(both[of], i * size, (i + 1) * size);
          assertArrayEquals(expected, alone[of], "sample " + i + " alone, result " + of);
        }
      }
    }
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = (AdmClassifier) Goldens.network(name, backend)) {
      var two = evaluate(network, golden);
      assertArrayEquals(both[0], two[0], "logits of two threads");
      assertArrayEquals(both[1], two[1], "gradient of two threads");
    }
  }

  private static float[][] evaluate(AdmClassifier network, Map<String, Tensor> inputs) {
    var results = network.evaluate(inputs);
    try (var logits = results.get("logits");
        var grad = results.get("grad")) {
      return new float[][] {logits.toFloats(), grad.toFloats()};
    }
  }

  /** What a guided denoising loop does. */
  @ParameterizedTest
  @CsvSource({
    "attention, cpu, 2",
    "adaptive, cpu, 1",
    "spatial, cpu, 1",
    "spatial_v2, cpu, 1",
    "attention, reference, 1"
  })
  void aGradientAllocatesNothingAfterTheFirstAndGivesTheSameBits(
      String pool, String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = (AdmClassifier) Goldens.network("adm-classifier-" + pool, backend);
        var x = pictures(backend, pool);
        var gradient = new ClassifierGradient(network, Tensor.of(Shape.of(2), 3L, 7L), 2.5);
        var first = backend.allocate(DType.F32, x.shape());
        var out = backend.allocate(DType.F32, x.shape())) {
      gradient.at(x, 100, first);
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 300 && least >= 512; round++) {
        long before = Allocated.bytes();
        for (int i = 0; i < PASSES; i++) {
          gradient.at(x, 100, out);
        }
        least = Math.min(least, (Allocated.bytes() - before) / PASSES);
      }
      assertTrue(least < 512, "a gradient allocates " + least + " bytes on the heap");
      assertArrayEquals(first.toFloats(), out.toFloats());
    }
  }

  /** The gradient that a sampler follows is that of the golden file, times the scale. */
  @Test
  void theScaleMultipliesTheGradient() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = (AdmClassifier) Goldens.network("adm-classifier-attention", backend);
        var x = pictures(backend, "attention");
        var one = new ClassifierGradient(network, Tensor.of(Shape.of(2), 3L, 7L), 1);
        var ten = new ClassifierGradient(network, Tensor.of(Shape.of(2), 3L, 7L), 10);
        var none = new ClassifierGradient(network, Tensor.of(Shape.of(2), 3L, 7L), 0);
        var of1 = backend.allocate(DType.F32, x.shape());
        var of10 = backend.allocate(DType.F32, x.shape())) {
      one.at(x, 250, of1);
      ten.at(x, 250, of10);
      backend.combine(10, of1, 0, null, of1);
      double error = GoldenFiles.error(of1, of10);
      assertTrue(error <= TOLERANCE, "off by " + error);
      one.at(x, 900, of1);
      backend.combine(10, of1, 0, null, of1);
      assertTrue(GoldenFiles.error(of10, of1) > 0.01, "the time must matter");
      none.at(x, 250, of10);
      for (float value : of10.toFloats()) {
        assertEquals(0, value);
      }
    }
  }

  private static Tensor pictures(Backend backend, String pool) throws IOException {
    var nchw = Goldens.io("adm-classifier-" + pool).get("x");
    var x = backend.allocate(DType.F32, Shape.of(2, 16, 16, 3));
    backend.toChannelsLast(nchw, x);
    return x;
  }

  @Test
  void wrongInputsAreNamed() throws IOException {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = (AdmClassifier) Goldens.network("adm-classifier-attention", backend)) {
      refused(network, "x", Tensor.allocate(DType.F32, Shape.of(2, 3, 8, 8)), "[N, 3, 16, 16]");
      refused(network, "t", Tensor.allocate(DType.F32, Shape.of(3)), "t is [3]", "[2]");
      refused(network, "t", null, "the input t is missing");
      refused(network, "y", Tensor.of(Shape.of(2), 0L, 10L), "y holds 10", "0 to 9");
      var e =
          assertThrows(
              IllegalArgumentException.class,
              () -> new ClassifierGradient(network, Tensor.of(Shape.of(1), 10L), 1));
      assertTrue(e.getMessage().contains("label 10 is no class"), e.getMessage());
      try (var gradient = new ClassifierGradient(network, Tensor.of(Shape.of(1), 1L), 1);
          var x = backend.allocate(DType.F32, Shape.of(2, 16, 16, 3))) {
        var other = assertThrows(IllegalArgumentException.class, () -> gradient.at(x, 1, x));
        assertTrue(other.getMessage().contains("is to be [1, 16, 16, 3]"), other.getMessage());
      }
    }
  }

  private static void refused(AdmClassifier network, String name, Tensor instead, String... facts)
      throws IOException {
    var inputs = new HashMap<>(Goldens.io("adm-classifier-attention"));
    inputs.remove(name);
    if (instead != null) {
      inputs.put(name, instead);
    }
    var e = assertThrows(IllegalArgumentException.class, () -> network.evaluate(inputs));
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }
}
