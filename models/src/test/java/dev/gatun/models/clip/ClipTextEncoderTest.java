package dev.gatun.models.clip;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.FormulaParameters;
import dev.gatun.models.GoldenFiles;
import dev.gatun.models.Parameters;
import dev.gatun.models.RandomParameters;
import dev.gatun.models.checkpoint.CheckpointParameters;
import dev.gatun.models.diffusion.Allocated;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The text encoder against what Hugging Face transformers computed with the same weights. */
class ClipTextEncoderTest {
  private static final double TOLERANCE = 2e-5;
  private static final String NAME = "clip-text-tiny";
  private static final int PASSES = 10;

  @ParameterizedTest
  @CsvSource({"cpu, 1", "cpu, 2", "reference, 1"})
  void agreesWithTransformers(String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = network(backend);
        var out = network.evaluate(golden()).get("last_hidden_state")) {
      assertEquals(backendName, backend.name());
      double error = GoldenFiles.error(golden().get("last_hidden_state"), out);
      assertTrue(error <= TOLERANCE, "the last hidden state is off by " + error);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void agreesWithNumbersComputedInDoublePrecision(String backendName) {
    var config = new ClipTextConfig(10, 8, 32, 2, 2, 5, Activation.QUICK_GELU, 1e-5);
    var parameters = FormulaParameters.of(config);
    assertEquals(36, parameters.keys().size());
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = new ClipTextEncoder(config, parameters, backend);
        var ids = Tensor.of(Shape.of(1, 5), 8, 3, 1, 9, 9);
        var out = network.evaluate(Map.of("ids", ids)).get("last_hidden_state")) {
      FormulaParameters.check(
          out,
          new double[] {
            1.0930055, -1.256063, 1.1706554, -1.3268012, 0.6329759, -0.7489389, 0.0688186, 0.6368478
          },
          new double[] {1.9457753, -0.4594189},
          -0.00903637,
          0.98891120);
    }
  }

  @Test
  void bitsDependNeitherOnThreadsNorOnTheBatch() throws IOException {
    float[] one;
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = network(backend)) {
      one = evaluate(network, golden().get("ids"));
      int size = one.length / 2;
      for (int i = 0; i < 2; i++) {
        float[] alone = evaluate(network, golden().get("ids").slice(i, i + 1));
        assertArrayEquals(Arrays.copyOfRange(one, i * size, (i + 1) * size), alone, "text " + i);
      }
    }
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = network(backend)) {
      assertArrayEquals(one, evaluate(network, golden().get("ids")), "two threads");
    }
  }

  /** A token sees those before it, never those after it. */
  @Test
  void theMaskIsCausal() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = network(backend)) {
      var ids = golden().get("ids").slice(0, 1);
      float[] before = evaluate(network, ids);
      ids.setLong(9, (ids.getLong(9) + 1) % 120);
      float[] after = evaluate(network, ids);
      int prefix = 9 * 48;
      assertArrayEquals(Arrays.copyOf(before, prefix), Arrays.copyOf(after, prefix));
      for (int token = 9; token < 16; token++) {
        float[] row = Arrays.copyOfRange(before, token * 48, (token + 1) * 48);
        float[] other = Arrays.copyOfRange(after, token * 48, (token + 1) * 48);
        assertTrue(!Arrays.equals(row, other), "token " + token + " does not see token 9");
      }
    }
  }

  /** The same numbers under the names of each layout. */
  @Test
  void layoutsGiveTheSameBits() throws IOException {
    try (var checkpoint = GoldenFiles.open(NAME + ".model.safetensors");
        var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = network(backend)) {
      float[] expected = evaluate(network, golden().get("ids"));
      var tensors = new LinkedHashMap<String, Tensor>();
      GoldenFiles.tensors(checkpoint).forEach((key, t) -> tensors.put("text_model." + key, t));
      assertArrayEquals(expected, output(tensors, "transformers", backend));
      assertArrayEquals(expected, output(openAi(tensors), "openai", backend));
    }
  }

  private static float[] output(Map<String, Tensor> file, String name, Backend backend)
      throws IOException {
    var family = new ClipTextFamily();
    var shapes = new LinkedHashMap<String, Shape>();
    file.forEach((key, tensor) -> shapes.put(key, tensor.shape()));
    var layout = family.layout(shapes).orElseThrow();
    assertEquals(name, layout.name());
    var config = config();
    assertEquals(shapes, layout.stateDict(config));
    try (var network =
        (ClipTextEncoder) family.load(config, layout.adapt(config, new Held(file)), backend)) {
      return evaluate(network, golden().get("ids"));
    }
  }

  /** OpenAI's names, written out once more; q, k and v one below the other. */
  private static Map<String, Tensor> openAi(Map<String, Tensor> tensors) {
    var renamed = new LinkedHashMap<String, Tensor>();
    tensors.forEach(
        (key, tensor) -> {
          if (key.contains("q_proj")) {
            var packed = new float[3 * (int) tensor.shape().size()];
            int at = 0;
            for (var part : new String[] {"q_proj", "k_proj", "v_proj"}) {
              float[] values = tensors.get(key.replace("q_proj", part)).toFloats();
              System.arraycopy(values, 0, packed, at, values.length);
              at += values.length;
            }
            int[] dims = tensor.shape().dims();
            dims[0] *= 3;
            renamed.put(openAi(key), Tensor.of(Shape.of(dims), packed));
          } else if (!key.contains("k_proj") && !key.contains("v_proj")) {
            renamed.put(openAi(key), tensor);
          }
        });
    return renamed;
  }

  private static String openAi(String key) {
    return key.replace("text_model.", "")
        .replace("embeddings.token_embedding", "token_embedding")
        .replace("embeddings.position_embedding.weight", "positional_embedding")
        .replace("encoder.layers.", "transformer.resblocks.")
        .replace("self_attn.q_proj.", "attn.in_proj_")
        .replace("self_attn.out_proj", "attn.out_proj")
        .replace("layer_norm1", "ln_1")
        .replace("layer_norm2", "ln_2")
        .replace("mlp.fc1", "mlp.c_fc")
        .replace("mlp.fc2", "mlp.c_proj")
        .replace("final_layer_norm", "ln_final");
  }

  private record Held(Map<String, Tensor> tensors) implements Parameters {
    @Override
    public boolean has(String key) {
      return tensors.containsKey(key);
    }

    @Override
    public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
      assertEquals(expected, tensors.get(key).shape(), key);
      return use.apply(tensors.get(key));
    }
  }

  @Test
  void aPassAllocatesNothingAfterTheFirst() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = network(backend);
        var workspace = backend.workspace();
        var out = backend.allocate(DType.F32, Shape.of(2, 16, 48))) {
      var ids = golden().get("ids");
      network.forward(ids, workspace, out);
      long held = workspace.bytes();
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 500 && least >= 512; round++) {
        long before = Allocated.bytes();
        for (int i = 0; i < PASSES; i++) {
          network.forward(ids, workspace, out);
        }
        least = Math.min(least, (Allocated.bytes() - before) / PASSES);
      }
      assertTrue(least < 512, "a pass allocates " + least + " bytes on the heap");
      assertEquals(held, workspace.bytes(), "bytes of the workspace");
    }
  }

  @Test
  void wrongInputsAreNamed() throws IOException {
    refused(Map.of(), "the input ids is missing");
    refused(Map.of("ids", Tensor.of(Shape.of(16), new long[16])), "ids is [16]", "2 axes");
    refused(Map.of("ids", Tensor.of(Shape.of(1, 4), 0, 1, 2, 3)), "ids is [1, 4]", "[1, 16]");
    long[] ids = new long[16];
    ids[3] = 120;
    refused(Map.of("ids", Tensor.of(Shape.of(1, 16), ids)), "ids holds 120", "0 to 119");
  }

  private static void refused(Map<String, Tensor> inputs, String... facts) throws IOException {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = network(backend)) {
      var e = assertThrows(IllegalArgumentException.class, () -> network.evaluate(inputs));
      for (var fact : facts) {
        assertTrue(e.getMessage().contains(fact), e.getMessage());
      }
    }
  }

  @Test
  void madeUpWeightsCanBeTimed() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = new ClipTextEncoder(config(), new RandomParameters(), backend);
        var trial = network.trial(3)) {
      trial.run();
      trial.run();
    }
  }

  private static float[] evaluate(ClipTextEncoder network, Tensor ids) {
    try (var out = network.evaluate(Map.of("ids", ids)).get("last_hidden_state")) {
      return out.toFloats();
    }
  }

  private static Map<String, Tensor> golden() throws IOException {
    try (var io = GoldenFiles.open(NAME + ".io.safetensors")) {
      return GoldenFiles.tensors(io);
    }
  }

  private static ClipTextConfig config() throws IOException {
    try (var checkpoint = GoldenFiles.open(NAME + ".model.safetensors")) {
      var json = (JsonObject) Json.parse(checkpoint.metadata().get("config"));
      return new ClipTextFamily().describe(json);
    }
  }

  private static ClipTextEncoder network(Backend backend) throws IOException {
    try (var checkpoint = GoldenFiles.open(NAME + ".model.safetensors")) {
      var family = new ClipTextFamily();
      var shapes = new LinkedHashMap<String, Shape>();
      checkpoint.tensors().forEach((key, info) -> shapes.put(key, info.shape()));
      var layout = family.layout(shapes).orElseThrow();
      var parameters = layout.adapt(config(), new CheckpointParameters(checkpoint));
      return (ClipTextEncoder) family.load(config(), parameters, backend);
    }
  }
}
