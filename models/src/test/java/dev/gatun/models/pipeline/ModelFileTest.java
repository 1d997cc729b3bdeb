package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.checkpoint.TestFiles;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What files are recognised as, and what is said where they are not. */
class ModelFileTest {
  private static final String TINY =
      "\"model\": \"dit\", \"input_size\": 8, \"patch_size\": 2, \"in_channels\": 4,"
          + " \"hidden_size\": 96, \"depth\": 3, \"num_heads\": 4, \"num_classes\": 10";

  @TempDir Path dir;

  // ------------------------------------------------------------------------------------------
  // recognising

  @ParameterizedTest
  @CsvSource({
    "DiT-S/2, 32963360", "DiT-S/4, 32945024", "DiT-S/8, 33148160",
    "DiT-B/2, 130512416", "DiT-B/4, 130475648", "DiT-B/8, 130881536",
    "DiT-L/2, 458102816", "DiT-L/4, 458053760", "DiT-L/8, 458594816",
    "DiT-XL/2, 675129632", "DiT-XL/4, 675074432", "DiT-XL/8, 675683072",
    "DiT-XL/2-512, 676014368"
  })
  void publishedSizesAreRecognisedByKeysAndShapes(String preset, long parameters)
      throws IOException {
    var config = DiTConfig.preset(preset).orElseThrow();
    assertEquals(parameters, config.parameters());
    var file =
        TestFiles.sparse(dir.resolve("m.safetensors"), Map.of(), config.stateDict(), DType.F32);
    try (var checkpoint = Checkpoint.open(file)) {
      var model = ModelFile.recognise(file, checkpoint, null);
      assertEquals(config, model.config());
      assertEquals(preset.replace("-512", ""), model.config().name());
      assertEquals("original", model.layout().name());
      assertEquals("its keys and shapes", model.origin());
      assertEquals(List.of(), model.missing());
      assertEquals(List.of(), model.leftOver());
      assertEquals(List.of(), model.classes());
      assertTrue(model.recipe().training().latent());
      assertEquals(1000, model.recipe().training().nullClass());
      assertEquals(4, model.recipe().sampling().scale());
    }
  }

  @ParameterizedTest
  @CsvSource({"DiT-XL/2, 1152, 28, 16, 72, 32", "DiT-XL/2-512, 1152, 28, 16, 72, 64"})
  void publishedDiffusersFilesAreRecognisedByTheConfigBesideThem(
      String preset, int width, int layers, int heads, int headSize, int sampleSize)
      throws IOException {
    var config = DiTConfig.preset(preset).orElseThrow();
    var file = dir.resolve("diffusion_pytorch_model.safetensors");
    TestFiles.sparse(file, Map.of("format", "pt"), diffusersShapes(config), DType.F16);
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"_class_name": "DiTTransformer2DModel", "_diffusers_version": "0.29", "num_layers": %d,
         "num_attention_heads": %d, "attention_head_dim": %d, "sample_size": %d, "patch_size": 2,
         "in_channels": 4, "out_channels": 8, "num_embeds_ada_norm": 1000, "dropout": 0.0}"""
            .formatted(layers, heads, headSize, sampleSize));
    try (var checkpoint = Checkpoint.open(file)) {
      var model = ModelFile.recognise(file, checkpoint, null);
      assertEquals(config, model.config());
      assertEquals("diffusers", model.layout().name());
      assertEquals("config.json", model.origin());
      assertEquals(List.of(), model.missing());
      assertEquals(List.of(), model.leftOver());
      assertEquals(List.of("F16"), ModelFile.dtypes(checkpoint));
      sentence(
          assertThrows(CheckpointException.class, () -> ModelFile.recognise(checkpoint, null)),
          "diffusion_pytorch_model.safetensors: ",
          "diffusers",
          "give --config");
    }
  }

  /** The names of diffusers, written out once more; the embedders stand in every block. */
  private static Map<String, Shape> diffusersShapes(DiTConfig config) {
    var shapes = new LinkedHashMap<String, Shape>();
    int d = config.hiddenSize();
    shapes.put("pos_embed.proj.weight", Shape.of(d, config.inChannels(), 2, 2));
    shapes.put("pos_embed.proj.bias", Shape.of(d));
    for (int i = 0; i < config.depth(); i++) {
      var block = "transformer_blocks." + i + ".";
      var emb = block + "norm1.emb.";
      linear(shapes, emb + "timestep_embedder.linear_1", d, 256);
      linear(shapes, emb + "timestep_embedder.linear_2", d, d);
      shapes.put(
          emb + "class_embedder.embedding_table.weight", Shape.of(config.numClasses() + 1, d));
      linear(shapes, block + "norm1.linear", 6 * d, d);
      linear(shapes, block + "attn1.to_q", d, d);
      linear(shapes, block + "attn1.to_k", d, d);
      linear(shapes, block + "attn1.to_v", d, d);
      linear(shapes, block + "attn1.to_out.0", d, d);
      linear(shapes, block + "ff.net.0.proj", 4 * d, d);
      linear(shapes, block + "ff.net.2", d, 4 * d);
    }
    linear(shapes, "proj_out_1", 2 * d, d);
    linear(shapes, "proj_out_2", 4 * config.outChannels(), d);
    return shapes;
  }

  private static void linear(Map<String, Shape> shapes, String prefix, int out, int in) {
    shapes.put(prefix + ".weight", Shape.of(out, in));
    shapes.put(prefix + ".bias", Shape.of(out));
  }

  @Test
  void itsOwnMetadataDescribeAFile() throws IOException {
    try (var checkpoint = GoldenFiles.open("dit-tiny.model.safetensors")) {
      var model = ModelFile.recognise(checkpoint, null);
      assertEquals(new DiTConfig(8, 2, 4, 96, 3, 4, 4, 10, true, true), model.config());
      assertEquals("its own metadata", model.origin());
      assertEquals(List.of("F32"), ModelFile.dtypes(checkpoint));
    }
    try (var checkpoint = GoldenFiles.open("dit-tiny-p4.model.safetensors")) {
      var model = ModelFile.recognise(checkpoint, null);
      assertEquals(new DiTConfig(16, 4, 3, 72, 2, 6, 4, 7, true, false), model.config());
      assertEquals(List.of("F16"), ModelFile.dtypes(checkpoint));
    }
  }

  /** Nine in ten floating-point numbers decide; whole numbers do not count. */
  @ParameterizedTest
  @CsvSource({
    "F32:100, F32",
    "BF16:100, BF16",
    "F16:100, BF16",
    "F64:100, F32",
    "I64:100, F32",
    "F32:10 BF16:90, BF16",
    "F32:11 BF16:89, F32",
    "F32:10 BF16:45 F16:45, BF16",
    "F32:10 BF16:90 I64:500, BF16",
    "F64:11 F16:89, F32"
  })
  void mostOfTheNumbersSayWhatAFileIsStoredFor(String contents, Precision precision)
      throws IOException {
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var part : contents.split(" ")) {
      var pair = part.split(":");
      var shape = Shape.of(Integer.parseInt(pair[1]));
      tensors.put(pair[0], Tensor.allocate(DType.valueOf(pair[0]), shape));
    }
    var file = dir.resolve("stored.safetensors");
    SafetensorsWriter.write(file, Map.of(), tensors);
    tensors.values().forEach(Tensor::close);
    try (var checkpoint = Checkpoint.open(file)) {
      assertEquals(precision, ModelFile.storedPrecision(checkpoint));
    }
  }

  @Test
  void aGivenDescriptionGoesBeforeTheFilesOwn() throws IOException {
    try (var checkpoint = GoldenFiles.open("dit-tiny.model.safetensors")) {
      var given = description("{" + TINY.replace("\"num_heads\": 4", "\"num_heads\": 8") + "}");
      var model = ModelFile.recognise(checkpoint, given);
      assertEquals(new DiTConfig(8, 2, 4, 96, 3, 8, 4, 10, true, true), model.config());
      assertEquals("my.json", model.origin());
    }
  }

  @Test
  void aFileOfTrainPyGivesItsAveragedWeights() throws IOException {
    var tensors = tiny();
    byte[] file = TestFiles.trained(tensors, "DiT-S/2");
    try (var checkpoint = GoldenFiles.image("0400000.pt", file)) {
      var model = ModelFile.recognise(checkpoint, description("{" + TINY + "}"));
      assertArrayEquals(expected(tensors), output(model, checkpoint));
      sentence(
          // 6 heads, as args.model says, do divide 96, but then there are other shapes
          assertThrows(
              CheckpointException.class,
              () -> ModelFile.recognise(checkpoint, description("{\"model\": \"dit\"}"))),
          "0400000.pt: ",
          "the description says");
      // of no published size, but the arguments of the training tell the heads
      var trained = (DiTConfig) ModelFile.recognise(checkpoint, null).config();
      assertEquals(new DiTConfig(8, 2, 4, 96, 3, 6, 4, 10, true, true), trained);
    }
  }

  @Test
  void theLayoutOfDiffusersGivesTheSameBits() throws IOException {
    var tensors = tiny();
    tensors.remove("pos_embed"); // not stored there, and computed in either layout
    var file = dir.resolve("model.safetensors");
    SafetensorsWriter.write(file, Map.of(), inDiffusersLayout(tensors));
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"_class_name": "DiTTransformer2DModel", "num_layers": 3, "num_attention_heads": 4,
         "attention_head_dim": 24, "sample_size": 8, "out_channels": 8, "in_channels": 4,
         "num_embeds_ada_norm": 10}""");
    try (var checkpoint = Checkpoint.open(file)) {
      var model = ModelFile.recognise(file, checkpoint, null);
      assertEquals("diffusers", model.layout().name());
      assertArrayEquals(expected(tensors), output(model, checkpoint));
    }
  }

  private static Map<String, Tensor> inDiffusersLayout(Map<String, Tensor> tensors) {
    var stored = new LinkedHashMap<String, Tensor>();
    int d = 96;
    diffusersShapes(new DiTConfig(8, 2, 4, d, 3, 4, 4, 10, true, true))
        .forEach(
            (name, shape) -> {
              var key =
                  name.replaceAll("transformer_blocks\\.\\d+\\.norm1\\.emb\\.", "")
                      .replace("pos_embed.proj", "x_embedder.proj")
                      .replace("timestep_embedder.linear_1", "t_embedder.mlp.0")
                      .replace("timestep_embedder.linear_2", "t_embedder.mlp.2")
                      .replace("class_embedder", "y_embedder")
                      .replace("transformer_blocks", "blocks")
                      .replace("norm1.linear", "adaLN_modulation.1")
                      .replace("attn1.to_out.0", "attn.proj")
                      .replaceAll("attn1\\.to_[qkv]", "attn.qkv")
                      .replace("ff.net.0.proj", "mlp.fc1")
                      .replace("ff.net.2", "mlp.fc2")
                      .replace("proj_out_1", "final_layer.adaLN_modulation.1")
                      .replace("proj_out_2", "final_layer.linear");
              var tensor = tensors.get(key);
              int third = name.contains("to_q") ? 0 : name.contains("to_k") ? 1 : 2;
              if (key.contains("attn.qkv.weight")) {
                tensor = tensor.slice(third * d, (third + 1) * d);
              } else if (key.contains("attn.qkv.bias")) {
                tensor = tensor.columns(third * d, (third + 1) * d);
              }
              assertEquals(shape, tensor.shape(), name);
              stored.put(name, tensor);
            });
    return stored;
  }

  /** The output for the original layout of these tensors. */
  private float[] expected(Map<String, Tensor> tensors) throws IOException {
    var file = dir.resolve("original.safetensors");
    SafetensorsWriter.write(file, Map.of("config", "{" + TINY + "}"), tensors);
    try (var checkpoint = Checkpoint.open(file)) {
      return output(ModelFile.recognise(file, checkpoint, null), checkpoint);
    }
  }

  private static float[] output(ModelFile model, Checkpoint checkpoint) throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var io = GoldenFiles.open("dit-tiny.io.safetensors");
        var network = model.load(checkpoint, backend);
        var out = network.evaluate(GoldenFiles.tensors(io)).get("out")) {
      return out.toFloats();
    }
  }

  // ------------------------------------------------------------------------------------------
  // what is the matter

  @Test
  void aWrongShapeIsNamedWithThePublishedSizeThatItIs() throws IOException {
    var large = DiTConfig.preset("DiT-L/2").orElseThrow().stateDict();
    var file = TestFiles.sparse(dir.resolve("big.safetensors"), Map.of(), large, DType.F32);
    try (var checkpoint = Checkpoint.open(file)) {
      var given = description("{\"model\": \"dit\"}");
      sentence(
          assertThrows(CheckpointException.class, () -> ModelFile.recognise(checkpoint, given)),
          "big.safetensors: tensor pos_embed is [1, 256, 1024], ",
          "the description says [1, 256, 1152]",
          "is this DiT-L/2?");
    }
  }

  @Test
  void oneWrongTensorIsNotTakenForAnotherSize() throws IOException {
    var shapes = DiTConfig.preset("DiT-S/2").orElseThrow().stateDict();
    shapes.put("blocks.3.attn.qkv.weight", Shape.of(1152, 383));
    var file = TestFiles.sparse(dir.resolve("odd.safetensors"), Map.of(), shapes, DType.F32);
    try (var checkpoint = Checkpoint.open(file)) {
      var e = assertThrows(CheckpointException.class, () -> ModelFile.recognise(checkpoint, null));
      sentence(
          e,
          "odd.safetensors: tensor blocks.3.attn.qkv.weight is [1152, 383], ",
          "DiT-S/2 has [1152, 384]");
      assertTrue(e.getMessage().indexOf('?') < 0, e.getMessage());
    }
  }

  @Test
  void missingAndLeftOverTensorsAreNamed() throws IOException {
    var tensors = tiny();
    var gone = tensors.remove("blocks.1.mlp.fc2.bias");
    refusedToLoad(tensors, "tensor blocks.1.mlp.fc2.bias is missing; DiT, depth 3");
    tensors.remove("final_layer.linear.bias");
    refusedToLoad(tensors, "tensor blocks.1.mlp.fc2.bias is missing and 1 more; ");
    tensors = tiny();
    tensors.put("blocks.3.mlp.fc2\n.bias", gone);
    refusedToLoad(tensors, "tensor blocks.3.mlp.fc2\\u000a.bias is left over; DiT, depth 3");
  }

  private void refusedToLoad(Map<String, Tensor> tensors, String fact) throws IOException {
    var file = dir.resolve("broken.safetensors");
    SafetensorsWriter.write(file, Map.of("config", "{" + TINY + "}"), tensors);
    try (var checkpoint = Checkpoint.open(file);
        var backend = Backend.open(Device.CPU, "reference", 1)) {
      var model = ModelFile.recognise(file, checkpoint, null);
      sentence(
          assertThrows(CheckpointException.class, () -> model.load(checkpoint, backend)),
          "broken.safetensors: " + fact);
    }
  }

  @Test
  void whatIsNoNetworkIsSaid() throws IOException {
    try (var checkpoint = GoldenFiles.open("sampler-gaussian.io.safetensors")) {
      // its metadata describe traces
      var e = assertThrows(CheckpointException.class, () -> ModelFile.recognise(checkpoint, null));
      sentence(e, "sampler-gaussian.io.safetensors: ");
    }
    var file = dir.resolve("other.safetensors");
    TestFiles.sparse(file, Map.of(), Map.of("conv1.weight", Shape.of(3, 3)), DType.F32);
    try (var checkpoint = Checkpoint.open(file)) {
      sentence(
          assertThrows(
              CheckpointException.class, () -> ModelFile.recognise(file, checkpoint, null)),
          "other.safetensors: ",
          "no network that Gatun knows",
          "conv1.weight F32 [3, 3]");
    }
  }

  @Test
  void shapesThatDoNotTellEverythingSayWhatToGive() throws IOException {
    var own = new LinkedHashMap<>(new DiTConfig(8, 2, 4, 96, 3, 4, 4, 10, true, true).stateDict());
    inferred(own, "depth 3 and width 96", "heads", "\"num_heads\": …", "\"hidden_size\": 96");
    var small = new LinkedHashMap<>(DiTConfig.preset("DiT-S/2").orElseThrow().stateDict());
    small.remove("pos_embed");
    inferred(small, "no position embedding", "input_size");
    small.put("pos_embed", Shape.of(1, 255, 384));
    inferred(small, "pos_embed is [1, 255, 384]", "DiT-S/2 has [1, 256, 384]");
    small.put("pos_embed", Shape.of(256, 384));
    inferred(small, "tensor pos_embed is [256, 384], DiT-S/2 has [1, 256, 384]");
    small.put("pos_embed", Shape.of(1, 256, 384));
    small.put("y_embedder.embedding_table.weight", Shape.of(1, 384));
    inferred(small, "y_embedder.embedding_table.weight is [1, 384], DiT-S/2 has [1001, 384]");
    small.remove("y_embedder.embedding_table.weight");
    inferred(small, "tensor y_embedder.embedding_table.weight is missing; DiT-S/2 has it");
    // far from every published size, the shapes themselves are said to be wrong
    own.put("pos_embed", Shape.of(1, 15, 96));
    inferred(own, "pos_embed has 15 tokens", "no square grid");
  }

  private void inferred(Map<String, Shape> shapes, String... facts) throws IOException {
    var file = Files.createTempFile(dir, "shapes", ".safetensors");
    Files.delete(file);
    TestFiles.sparse(file, Map.of(), shapes, DType.F32);
    try (var checkpoint = Checkpoint.open(file)) {
      var all = new ArrayList<>(List.of(facts));
      all.addFirst(file.getFileName() + ": ");
      sentence(
          assertThrows(CheckpointException.class, () -> ModelFile.recognise(checkpoint, null)),
          all.toArray(String[]::new));
    }
  }

  // ------------------------------------------------------------------------------------------

  static void sentence(Exception e, String... facts) {
    var message = e.getMessage();
    assertTrue(message.startsWith(facts[0].substring(0, facts[0].indexOf(": "))), message);
    assertTrue(message.length() < 500 && message.indexOf('\n') < 0, message);
    for (var fact : facts) {
      assertTrue(message.contains(fact), () -> "'" + fact + "' is not said in: " + message);
    }
  }

  private Path description(String json) throws IOException {
    return Files.writeString(dir.resolve("my.json"), json);
  }

  private static Map<String, Tensor> tiny() throws IOException {
    try (var checkpoint = GoldenFiles.open("dit-tiny.model.safetensors")) {
      return GoldenFiles.tensors(checkpoint);
    }
  }
}
