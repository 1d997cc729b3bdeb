package dev.gatun.models.dit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.diffusion.Allocated;
import dev.gatun.models.diffusion.ClassifierFreeGuidance;
import dev.gatun.models.pipeline.ModelFile;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** DiT against what the authors' code computed with the same weights. */
class DiTGoldenTest {
  private static final double TOLERANCE = 2e-5;
  private static final long SEED = 3;
  private static final int PASSES = 10;

  @ParameterizedTest
  @CsvSource({
    "dit-tiny, cpu, 1",
    "dit-tiny, cpu, 2",
    "dit-tiny, reference, 1",
    "dit-tiny, reference, 2",
    "dit-tiny-p4, cpu, 1",
    "dit-tiny-p4, cpu, 2",
    "dit-tiny-p4, reference, 1",
    "dit-tiny-p4, reference, 2"
  })
  void agreesWithTheAuthorsCode(String name, String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = network(name, backend)) {
      assertEquals(backendName, backend.name());
      assertEquals(backendName.equals("cpu") ? threads : 1, backend.threads());
      var golden = golden(name);

      try (var out = network.evaluate(golden).get("out")) {
        double error = GoldenFiles.error(golden.get("out"), out);
        assertTrue(error <= TOLERANCE, "out is off by " + error);
      }
      try (var out = network.evaluate(guided(golden)).get("out");
          var predictions = channelsLast(backend, out);
          var back = Tensor.allocate(DType.F32, out.shape())) {
        double plain = GoldenFiles.error(golden.get("cfg_out"), out);
        assertTrue(plain > 0.01, "guidance must matter, but without it cfg_out is off by " + plain);
        ClassifierFreeGuidance.guideHalves(predictions, 4, 3, backend);
        backend.toChannelsFirst(predictions, back);
        double error = GoldenFiles.error(golden.get("cfg_out"), back);
        assertTrue(error <= TOLERANCE, "cfg_out is off by " + error);
      }
    }
  }

  /** As forward_with_cfg: both halves are evaluated on the first half's images. */
  private static Map<String, Tensor> guided(Map<String, Tensor> golden) {
    var x = golden.get("cfg_x");
    float[] images = x.toFloats();
    System.arraycopy(images, 0, images, images.length / 2, images.length / 2);
    return Map.of(
        "x", Tensor.of(x.shape(), images), "t", golden.get("cfg_t"), "y", golden.get("cfg_y"));
  }

  private static Tensor channelsLast(Backend backend, Tensor nchw) {
    var nhwc =
        backend.allocate(DType.F32, Shape.of(nchw.dim(0), nchw.dim(2), nchw.dim(3), nchw.dim(1)));
    backend.toChannelsLast(nchw, nhwc);
    return nhwc;
  }

  @ParameterizedTest
  @ValueSource(strings = {"dit-tiny", "dit-tiny-p4"})
  void bitsDependNeitherOnThreadsNorOnTheBatch(String name) throws IOException {
    var golden = golden(name);
    float[] one;
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = network(name, backend)) {
      one = evaluate(network, golden);
      assertArrayEquals(one, evaluate(network, golden), "a second evaluation");
      int samples = golden.get("x").dim(0);
      int size = one.length / samples;
      for (int i = 0; i < samples; i++) {
        float[] alone = evaluate(network, sample(golden, i));
        assertArrayEquals(
            Arrays.copyOfRange(one, i * size, (i + 1) * size), alone, "sample " + i + " alone");
      }
    }
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = network(name, backend)) {
      assertArrayEquals(one, evaluate(network, golden), "two threads");
    }
  }

  private static float[] evaluate(DiT network, Map<String, Tensor> inputs) {
    try (var out = network.evaluate(inputs).get("out")) {
      return out.toFloats();
    }
  }

  private static Map<String, Tensor> sample(Map<String, Tensor> golden, int i) {
    var inputs = new HashMap<String, Tensor>();
    inputs.put("x", golden.get("x").slice(i, i + 1));
    inputs.put("t", golden.get("t").columns(i, i + 1));
    inputs.put("y", golden.get("y").columns(i, i + 1));
    return inputs;
  }

  /** What a denoising loop does: the same pass over one workspace again and again. */
  @ParameterizedTest
  @CsvSource({"cpu, 1", "cpu, 2", "reference, 1"})
  void aPassAllocatesNothingAfterTheFirstAndGivesTheSameBits(String backendName, int threads)
      throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = network("dit-tiny", backend);
        var workspace = backend.workspace();
        var x = random(backend, Shape.of(3, 8, 8, 4));
        var t = Tensor.of(Shape.of(3), 0f, 499.5f, 999f);
        var y = Tensor.of(Shape.of(3), 0L, 10L, 7L);
        var first = backend.allocate(DType.F32, Shape.of(3, 8, 8, 8));
        var out = backend.allocate(DType.F32, Shape.of(3, 8, 8, 8))) {
      network.forward(x, t, y, workspace, first);
      long held = workspace.bytes();
      // Vectors are objects until the compiler has seen the loops, so it takes some passes.
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 500 && least >= 512; round++) {
        long before = Allocated.bytes();
        for (int i = 0; i < PASSES; i++) {
          network.forward(x, t, y, workspace, out);
        }
        least = Math.min(least, (Allocated.bytes() - before) / PASSES);
        assertEquals(0, workspace.mark());
      }
      assertTrue(least < 512, "a pass allocates " + least + " bytes on the heap");
      assertEquals(held, workspace.bytes(), "bytes of the workspace");
      assertArrayEquals(first.toFloats(), out.toFloats(), "seed " + SEED);
    }
  }

  private static Tensor random(Backend backend, Shape shape) {
    var random = new Random(SEED);
    var x = backend.allocate(DType.F32, shape);
    for (long i = 0; i < shape.size(); i++) {
      x.setFloat(i, (float) random.nextGaussian());
    }
    return x;
  }

  @Test
  void wrongInputsAreNamed() throws IOException {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = network("dit-tiny", backend)) {
      refused(network, "y", null, "the input y is missing", "[", "x");
      refused(network, "x", zeros(4, 8, 8, 4), "x is [4, 8, 8, 4]", "[N, 4, 8, 8]");
      refused(network, "x", zeros(4, 8, 8), "x is [4, 8, 8]", "4 axes");
      refused(network, "t", zeros(3), "t is [3]", "expected [4]");
      refused(network, "y", Tensor.of(Shape.of(4), 0, 1, 11, 2), "y holds 11", "0 to 10");
      refused(network, "y", Tensor.of(Shape.of(4), 0, -1, 1, 2), "y holds -1", "0 to 10");
      refused(network, "y", zeros(4), "y is F32", "expected I64");
    }
  }

  private static void refused(DiT network, String name, Tensor instead, String... facts)
      throws IOException {
    var inputs = new HashMap<>(golden("dit-tiny"));
    inputs.remove(name);
    if (instead != null) {
      inputs.put(name, instead);
    }
    var e = assertThrows(IllegalArgumentException.class, () -> network.evaluate(inputs));
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }

  private static Tensor zeros(int... dims) {
    return Tensor.allocate(DType.F32, Shape.of(dims));
  }

  private static Map<String, Tensor> golden(String name) throws IOException {
    try (var io = GoldenFiles.open(name + ".io.safetensors")) {
      return GoldenFiles.tensors(io);
    }
  }

  private static DiT network(String name, Backend backend) throws IOException {
    try (var checkpoint = GoldenFiles.open(name + ".model.safetensors")) {
      return (DiT) ModelFile.recognise(checkpoint, null).load(checkpoint, backend);
    }
  }
}
