package dev.gatun.models.diffit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.models.PublishedKeys;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DiffiTLatentConfigTest {
  private final DiffiTFamily family = new DiffiTFamily();

  @ParameterizedTest
  @CsvSource({
    "DiffiT-256, diffit_256.txt, 561330144, 256",
    "DiffiT-512, diffit_512.txt, 563562464, 1024"
  })
  void releasedModelsAreRecognisedByKeysAndShapes(
      String name, String file, long parameters, int tokens) throws IOException {
    var keys = PublishedKeys.read(file);
    assertEquals(346, keys.size());
    var layout = family.layout(keys).orElseThrow();
    assertEquals("original", layout.name());
    var config = family.infer(keys, Hints.NONE);
    assertEquals(family.preset(name.toLowerCase()).orElseThrow(), config);
    assertEquals(List.copyOf(keys.entrySet()), List.copyOf(layout.stateDict(config).entrySet()));
    assertEquals(parameters, config.parameters());
    assertEquals(name, config.name());
    assertEquals(tokens, config.tokens());
    assertEquals(Conditioning.LABEL, config.conditioning());
    assertEquals(1000, config.nullClass());
    // the buffers may be there or not
    keys.keySet().removeIf(key -> key.endsWith("_index"));
    assertEquals(keys, config.stateDict());
    assertEquals(config, family.infer(keys, Hints.NONE));
  }

  /** The paper's 114 Gflops are multiply-adds without those of q·k and of the weights with v. */
  @Test
  void multiplyAddsAreThePapers() {
    var config = family.preset("DiffiT-256").orElseThrow();
    long attention = 28L * 2 * 256 * 256 * 1152;
    assertEquals(114, (config.multiplyAdds(1) - attention) * 1e-9, 0.5);
    assertEquals(7 * config.multiplyAdds(1), config.multiplyAdds(7));
  }

  /** Whichever tensor is gone, it is named at once or the rest still tells where it belongs. */
  @ParameterizedTest
  @ValueSource(strings = {"diffit_256.txt", "diffit_512.txt"})
  void oneMissingTensorIsNamed(String file) throws IOException {
    var whole = PublishedKeys.read(file);
    for (var key : whole.keySet()) {
      var keys = new LinkedHashMap<>(whole);
      keys.remove(key);
      var layout = family.layout(keys).orElseThrow();
      try {
        var missing = layout.stateDict(family.infer(keys, Hints.NONE));
        missing.keySet().removeAll(keys.keySet());
        assertEquals(List.of(key), List.copyOf(missing.keySet()));
        boolean buffer = key.endsWith("_index") || key.equals("pos_embed");
        assertEquals(buffer, layout.optional(key), key);
      } catch (ParameterException e) {
        assertTrue(e.getMessage().startsWith("tensor " + key + " is missing"), e.getMessage());
        assertFalse(layout.optional(key), key);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "pos_embed|1, 255, 1152",
        "blocks.0.attn.relative_position_index|256, 255",
        "blocks.9.attn.relative_position_bias_table|961, 15",
        "blocks.0.attn.qkv_temb.weight|3456, 1151",
        "blocks.27.attn.qkv.bias|3455",
        "blocks.13.mlp.fc2.weight|1152, 4607",
        "y_embedder.embedding_table.weight|1001, 1153",
        "final_layer.linear.bias|16"
      })
  void oneWrongShapeIsTheOnlyOne(String key, String dims) throws IOException {
    var keys = PublishedKeys.read("diffit_256.txt");
    keys.put(key, shape(dims));
    var layout = family.layout(keys).orElseThrow();
    var wrong = layout.stateDict(family.infer(keys, Hints.NONE));
    wrong.entrySet().removeAll(keys.entrySet());
    assertEquals(List.of(key), List.copyOf(wrong.keySet()));
  }

  private static Shape shape(String dims) {
    return Shape.of(List.of(dims.split(", ")).stream().mapToInt(Integer::parseInt).toArray());
  }

  @Test
  void shapesOfNoDiffiTAreNamed() throws IOException {
    inferred("blocks.0.attn.relative_position_bias_table", "960, 16", "is [960, 16]", "(2·grid");
    inferred("blocks.0.attn.relative_position_bias_table", "961", "is [961], expected 2 axes");
    inferred("blocks.0.attn.relative_position_bias_table", "961, 7", "not a multiple of num_heads");
    inferred("x_embedder.proj.weight", "1152, 4, 2", "is [1152, 4, 2], expected 4 axes");
    inferred("x_embedder.proj.weight", "1154, 4, 2, 2", "hidden_size 1154 is not a multiple");
    inferred("y_embedder.embedding_table.weight", "1, 1152", "has 1 rows");
    inferred("blocks.99999.mlp.fc1.bias", "4608", "depth is 100000, expected 1 to 1000");
  }

  private void inferred(String key, String dims, String... facts) throws IOException {
    var keys = PublishedKeys.read("diffit_256.txt");
    keys.put(key, shape(dims));
    var e = assertThrows(RuntimeException.class, () -> family.infer(keys, Hints.NONE));
    assertTrue(
        e instanceof ParameterException || e instanceof IllegalArgumentException, e.toString());
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }

  @Test
  void descriptionsHaveTheAuthorsDefaults() {
    assertEquals(family.preset("DiffiT-256").orElseThrow(), family.describe(json("{}")));
    assertEquals(
        new DiffiTLatentConfig(8, 2, 4, 96, 30, 4, 4, 10, false, false, 8),
        family.describe(
            json(
                """
                {"model": "diffit-latent", "input_size": 8, "patch_size": 2, "in_channels": 4,
                 "hidden_size": 96, "depth": 30, "num_heads": 4, "num_classes": 10,
                 "class_dropout_prob": 0, "learn_sigma": false}""")));
    assertEquals(List.of("diffit-latent", "diffit"), family.models());
    refused("{\"hidden_size\": 96}", "key 'num_heads' is missing");
    refused("{\"input_size\": 31}", "input_size 31 is not a multiple of patch_size 2");
    refused("{\"input_size\": 65536}", "makes more than 65536 tokens");
    refused("{\"depth\": 1000000000}", "depth is 1000000000, expected 1 to 1000");
    refused("{\"mlp_ratio\": -1}", "mlp_ratio is -1.0");
    refused("{\"num_heads\": 7}", "hidden_size 1152 is not a multiple of num_heads 7");
    refused("{\"patch_size\": 65536, \"input_size\": 65536}", "makes a patch of more than");
    refused("{\"num_classes\": 0}", "num_classes is 0");
  }

  private void refused(String text, String fact) {
    var e = assertThrows(IllegalArgumentException.class, () -> family.describe(json(text)));
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  private static JsonObject json(String text) {
    return (JsonObject) Json.parse(text);
  }

  @Test
  void namesAndPresets() {
    assertEquals(Optional.empty(), family.preset("DiffiT-1024"));
    var config = family.preset("DiffiT-256").orElseThrow();
    assertEquals("DiffiT-256", config.withInputSize(48).name());
    assertEquals(
        "DiffiT, depth 30, width 96, patch 2",
        new DiffiTLatentConfig(8, 2, 4, 96, 30, 4, 4, 10, true, true, 8).name());
  }

  /** The file stays as it is; only what is computed from it changes. */
  @Test
  void anotherInputSizeKeepsTheStateDict() {
    var config = family.preset("DiffiT-256").orElseThrow();
    var large = config.withInputSize(48);
    assertEquals(576, large.tokens());
    assertEquals(config.stateDict(), large.stateDict());
    assertEquals(config, large.withInputSize(32));
    var e = assertThrows(IllegalArgumentException.class, () -> config.withInputSize(33));
    assertTrue(e.getMessage().contains("33 is not a multiple of patch_size 2"), e.getMessage());
  }

  @Test
  void otherFilesAreNotTakenForIt() throws IOException {
    for (var file : List.of("dit_xl2_256.txt", "uvit_imagenet256_huge.txt")) {
      SequencedMap<String, Shape> keys = PublishedKeys.read(file);
      assertEquals(Optional.empty(), family.layout(keys), file);
      assertEquals(Optional.empty(), new DiffiTImageFamily().layout(keys), file);
    }
    var image = Goldens.config("diffit-image-tiny");
    assertEquals(Optional.empty(), family.layout(image.stateDict()));
    assertThrows(ParameterException.class, () -> family.load(image, null, null));
  }
}
