package dev.gatun.models.clip;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.models.PublishedKeys;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ClipTextFamilyTest {
  private static final String LIST = "clip_vit_l14_text_hf.txt";

  private final ClipTextFamily family = new ClipTextFamily();

  @ParameterizedTest
  @ValueSource(strings = {"text_model.", ""})
  void thePublishedModelIsRecognisedByKeysAndShapes(String prefix) throws IOException {
    var keys = new LinkedHashMap<String, Shape>();
    PublishedKeys.read(LIST)
        .forEach((key, shape) -> keys.put(key.replace("text_model.", prefix), shape));
    assertEquals(196, keys.size());
    var layout = family.layout(keys).orElseThrow();
    var config = family.infer(keys, Hints.NONE);
    assertEquals(ClipTextConfig.VIT_L_14, config);
    assertEquals(keys, layout.stateDict(config));
    assertEquals(PublishedKeys.read(LIST), config.stateDict());
    assertEquals(123_060_480, config.parameters());
    assertEquals("clip-vit-large-patch14", config.name());
    assertEquals(config, family.preset("openai/" + config.name()).orElseThrow());
  }

  @Test
  void theLayoutOfOpenAiHasTheSameParameters() {
    var layout = new ClipTextLayout.OpenAi();
    var keys = layout.stateDict(ClipTextConfig.VIT_L_14);
    assertEquals(196 - 12 * 4, keys.size());
    assertEquals(Shape.of(2304, 768), keys.get("transformer.resblocks.11.attn.in_proj_weight"));
    assertEquals(Shape.of(2304), keys.get("transformer.resblocks.0.attn.in_proj_bias"));
    assertEquals(123_060_480, keys.values().stream().mapToLong(Shape::size).sum());
    assertEquals("openai", family.layout(keys).orElseThrow().name());
    assertEquals(ClipTextConfig.VIT_L_14, family.infer(keys, Hints.NONE));
    assertTrue(layout.ignored("visual.proj") && layout.ignored("logit_scale"));
    assertFalse(layout.ignored("transformer.resblocks.0.attn.in_proj_bias"));
  }

  /** The file of the whole CLIP, and of older transformers. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "vision_model.embeddings.class_embedding",
        "visual_projection.weight",
        "text_projection.weight",
        "logit_scale",
        "text_model.embeddings.position_ids"
      })
  void otherTensorsOfTheWholeClipAreIgnored(String key) throws IOException {
    var keys = PublishedKeys.read(LIST);
    keys.putFirst(key, Shape.of(1, 77));
    assertEquals(ClipTextConfig.VIT_L_14, family.infer(keys, Hints.NONE));
    var layout = family.layout(keys).orElseThrow();
    assertTrue(layout.ignored(key));
    assertFalse(layout.ignored("text_model.encoder.layers.12.mlp.fc1.weight"));
  }

  @Test
  void oneMissingTensorIsNamed() throws IOException {
    var whole = PublishedKeys.read(LIST);
    for (var key : whole.keySet()) {
      var keys = new LinkedHashMap<>(whole);
      keys.remove(key);
      try {
        var missing = new LinkedHashMap<>(family.infer(keys, Hints.NONE).stateDict());
        missing.keySet().removeAll(keys.keySet());
        assertEquals(List.of(key), List.copyOf(missing.keySet()));
      } catch (ParameterException e) {
        assertTrue(e.getMessage().startsWith("tensor " + key + " is missing"), e.getMessage());
      }
    }
  }

  @Test
  void anUnknownSizeSaysWhatToGive() {
    var own = new ClipTextConfig(100, 64, 128, 3, 4, 20, Activation.QUICK_GELU, 1e-5);
    var e = assertThrows(ParameterException.class, () -> family.infer(own.stateDict(), Hints.NONE));
    assertTrue(e.getMessage().contains("depth 3 and width 64"), e.getMessage());
    assertTrue(e.getMessage().contains("\"max_position_embeddings\": 20"), e.getMessage());
  }

  @Test
  void otherNetworksAreNotTakenForIt() throws IOException {
    for (var list : List.of("dit_s2_256.txt", "uvit_mscoco_small.txt")) {
      assertEquals(Optional.empty(), family.layout(PublishedKeys.read(list)));
    }
  }

  @Test
  void descriptionsAreThoseOfTransformers() {
    var json =
        "{\"hidden_size\": 768, \"intermediate_size\": 3072, \"num_attention_heads\": 12,"
            + " \"hidden_act\": \"quick_gelu\", \"layer_norm_eps\": 1e-05}";
    assertEquals(ClipTextConfig.VIT_L_14, describe(json));
    assertEquals(
        ClipTextConfig.VIT_L_14,
        describe("{\"model_type\": \"clip\", \"text_config\": " + json + "}"));
    assertEquals(
        new ClipTextConfig(49408, 512, 2048, 12, 8, 77, Activation.QUICK_GELU, 1e-5),
        describe("{}"));
    assertEquals(Activation.GELU_ERF, describe("{\"hidden_act\": \"gelu\"}").activation());
  }

  private ClipTextConfig describe(String json) {
    return family.describe((JsonObject) Json.parse(json));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'vocab_size': 2147483647|vocab_size is 2147483647",
        "'vocab_size': 0|vocab_size is 0",
        "'hidden_size': 64|'num_attention_heads' is missing",
        "'hidden_size': 64, 'num_attention_heads': 5|64 is not a multiple",
        "'hidden_size': 64, 'num_attention_heads': 0|num_attention_heads is 0",
        "'num_hidden_layers': 1000000000|num_hidden_layers is 1000000000",
        "'intermediate_size': -1|intermediate_size is -1",
        "'max_position_embeddings': 99999999|max_position_embeddings is 99999999",
        "'hidden_act': 'relu'|'hidden_act' is neither",
        "'layer_norm_eps': 0|layer_norm_eps is 0.0",
        "'layer_norm_eps': 1e999|'layer_norm_eps' is 1e999",
        "'text_config': 7|'text_config' is 7"
      })
  void descriptionsThatNoEncoderHasAreNamed(String members, String fact) {
    var json = "{" + members.replace('\'', '"') + "}";
    var e = assertThrows(IllegalArgumentException.class, () -> describe(json));
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }
}
