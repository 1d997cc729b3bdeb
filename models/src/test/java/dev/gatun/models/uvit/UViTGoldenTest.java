package dev.gatun.models.uvit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.RandomParameters;
import dev.gatun.models.checkpoint.CheckpointParameters;
import dev.gatun.models.diffusion.Allocated;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
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

/** U-ViT against what the authors' code computed with the same weights. */
class UViTGoldenTest {
  private static final double TOLERANCE = 2e-5;
  private static final long SEED = 5;
  private static final int PASSES = 10;

  @ParameterizedTest
  @CsvSource({
    "uvit-tiny, cpu, 1",
    "uvit-tiny, cpu, 2",
    "uvit-tiny, reference, 1",
    "uvit-tiny-class, cpu, 1",
    "uvit-tiny-class, cpu, 2",
    "uvit-tiny-class, reference, 1",
    "uvit-t2i-tiny, cpu, 1",
    "uvit-t2i-tiny, cpu, 2",
    "uvit-t2i-tiny, reference, 1"
  })
  void agreesWithTheAuthorsCode(String name, String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = network(name, backend)) {
      assertEquals(backendName, backend.name());
      assertEquals(threads, backend.threads());
      var golden = golden(name);
      try (var out = network.evaluate(golden).get("out")) {
        double error = GoldenFiles.error(golden.get("out"), out);
        assertTrue(error <= TOLERANCE, "out is off by " + error);
      }
    }
  }

  /** What no two inputs share must matter, else the test above would prove little. */
  @ParameterizedTest
  @CsvSource({"uvit-tiny-class, y", "uvit-t2i-tiny, context", "uvit-tiny, t"})
  void everyInputMatters(String name, String input) throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = network(name, backend)) {
      var inputs = new HashMap<>(golden(name));
      var tensor = inputs.get(input);
      inputs.put(
          input,
          tensor.dtype() == DType.I64
              ? Tensor.of(tensor.shape(), (tensor.getLong(0) + 1) % 11, tensor.getLong(1))
              : Tensor.of(tensor.shape(), new float[(int) tensor.shape().size()]));
      try (var out = network.evaluate(inputs).get("out")) {
        double error = GoldenFiles.error(golden(name).get("out"), out);
        assertTrue(error > 1e-3, "another " + input + " changes the output by " + error);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"uvit-tiny", "uvit-tiny-class", "uvit-t2i-tiny"})
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

  private static float[] evaluate(UViT network, Map<String, Tensor> inputs) {
    try (var out = network.evaluate(inputs).get("out")) {
      return out.toFloats();
    }
  }

  private static Map<String, Tensor> sample(Map<String, Tensor> golden, int i) {
    var inputs = new HashMap<String, Tensor>();
    golden.forEach(
        (name, tensor) ->
            inputs.put(
                name,
                tensor.shape().rank() == 1 ? tensor.columns(i, i + 1) : tensor.slice(i, i + 1)));
    return inputs;
  }

  /** What a denoising loop does: the same pass over one workspace again and again. */
  @ParameterizedTest
  @CsvSource({
    "uvit-tiny, cpu, 1",
    "uvit-tiny-class, cpu, 2",
    "uvit-t2i-tiny, cpu, 1",
    "uvit-tiny-class, reference, 1"
  })
  void aPassAllocatesNothingAfterTheFirstAndGivesTheSameBits(
      String name, String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = network(name, backend);
        var workspace = backend.workspace();
        var x = random(image(network.config()));
        var t = Tensor.of(Shape.of(3), 0f, 499.5f, 999f);
        var condition = condition(network.config());
        var first = backend.allocate(DType.F32, x.shape());
        var out = backend.allocate(DType.F32, x.shape())) {
      network.forward(x, t, condition, workspace, first);
      long held = workspace.bytes();
      // Vectors are objects until the compiler has seen the loops, so it takes some passes.
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 500 && least >= 512; round++) {
        long before = Allocated.bytes();
        for (int i = 0; i < PASSES; i++) {
          network.forward(x, t, condition, workspace, out);
        }
        least = Math.min(least, (Allocated.bytes() - before) / PASSES);
        assertEquals(0, workspace.mark());
      }
      assertTrue(least < 512, "a pass allocates " + least + " bytes on the heap");
      assertEquals(held, workspace.bytes(), "bytes of the workspace");
      assertArrayEquals(first.toFloats(), out.toFloats(), "seed " + SEED);
    }
  }

  private static Shape image(UViTConfig config) {
    return Shape.of(3, config.inputSize(), config.inputSize(), config.inChannels());
  }

  private static Tensor condition(UViTConfig config) {
    return switch (config.conditioning()) {
      case NONE -> null;
      case LABEL -> Tensor.of(Shape.of(3), 0L, 10L, 7L);
      case TEXT -> random(Shape.of(3, config.clipTokens(), config.clipDim()));
    };
  }

  private static Tensor random(Shape shape) {
    var random = new Random(SEED);
    float[] values = new float[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.of(shape, values);
  }

  @Test
  void wrongInputsAreNamed() throws IOException {
    refused("uvit-tiny-class", "y", null, "the input y is missing");
    refused("uvit-tiny-class", "x", zeros(2, 16, 16, 4), "x is [2, 16, 16, 4]", "[N, 4, 16, 16]");
    refused("uvit-tiny-class", "t", zeros(3), "t is [3]", "expected [2]");
    refused("uvit-tiny-class", "y", Tensor.of(Shape.of(2), 0, 11), "y holds 11", "0 to 10");
    refused("uvit-t2i-tiny", "context", null, "the input context is missing");
    refused("uvit-t2i-tiny", "context", zeros(2, 8, 48), "context is [2, 8, 48]", "[2, 7, 48]");
  }

  private static void refused(String name, String input, Tensor instead, String... facts)
      throws IOException {
    var inputs = new HashMap<>(golden(name));
    inputs.remove(input);
    if (instead != null) {
      inputs.put(input, instead);
    }
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = network(name, backend)) {
      var e = assertThrows(IllegalArgumentException.class, () -> network.evaluate(inputs));
      for (var fact : facts) {
        assertTrue(e.getMessage().contains(fact), e.getMessage());
      }
    }
  }

  private static Tensor zeros(int... dims) {
    return Tensor.allocate(DType.F32, Shape.of(dims));
  }

  /** A network that is run on a larger picture has its own positions, and needs them all. */
  @Test
  void otherPictureSizes() throws IOException {
    try (var checkpoint = GoldenFiles.open("uvit-tiny-class.model.safetensors");
        var backend = Backend.open(Device.CPU, "cpu", 1)) {
      var json = (JsonObject) Json.parse(checkpoint.metadata().get("config"));
      var config = new UViTFamily().describe(json).withInputSize(24);
      assertEquals(2 + 36, config.tokens());
      try (var network = new UViT(config, new CheckpointParameters(checkpoint), backend);
          var x = random(Shape.of(2, 4, 24, 24));
          var t = Tensor.of(Shape.of(2), 500f, 20f);
          var y = Tensor.of(Shape.of(2), 3L, 10L);
          var out = network.evaluate(Map.of("x", x, "t", t, "y", y)).get("out")) {
        assertEquals(Shape.of(2, 4, 24, 24), out.shape());
        for (float value : out.toFloats()) {
          assertTrue(Math.abs(value) < 100, "found " + value);
        }
        assertFalse(Arrays.equals(x.toFloats(), out.toFloats()));
      }
    }
  }

  @Test
  void aNetworkOfMadeUpWeightsCanBeTimed() {
    for (var name : new String[] {"cifar10_uvit_small", "mscoco_uvit_small"}) {
      var config = shallow(UViTConfig.preset(name).orElseThrow());
      try (var backend = Backend.open(Device.CPU, "cpu", 2);
          var network = new UViT(config, new RandomParameters(), backend);
          var trial = network.trial(1)) {
        trial.run();
        long before = Allocated.bytes();
        trial.run();
        long allocated = Allocated.bytes() - before;
        assertTrue(allocated < 1 << 16, name + ": " + allocated + " bytes on the heap");
      }
    }
  }

  private static UViTConfig shallow(UViTConfig c) {
    return new UViTConfig(
        8,
        2,
        c.inChannels(),
        64,
        2,
        4,
        4,
        false,
        false,
        c.labels(),
        c.nullClass(),
        c.clipDim(),
        c.clipTokens(),
        true,
        8);
  }

  private static Map<String, Tensor> golden(String name) throws IOException {
    try (var io = GoldenFiles.open(name + ".io.safetensors")) {
      return GoldenFiles.tensors(io);
    }
  }

  private static UViT network(String name, Backend backend) throws IOException {
    try (var checkpoint = GoldenFiles.open(name + ".model.safetensors")) {
      var family = new UViTFamily();
      var config = family.describe((JsonObject) Json.parse(checkpoint.metadata().get("config")));
      return (UViT) family.load(config, new CheckpointParameters(checkpoint), backend);
    }
  }
}
