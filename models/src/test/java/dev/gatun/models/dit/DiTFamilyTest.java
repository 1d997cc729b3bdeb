package dev.gatun.models.dit;

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
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DiTFamilyTest {
  private final DiTFamily family = new DiTFamily();

  @ParameterizedTest
  @CsvSource({
    "DiT-XL/2, dit_xl2_256.txt, 675129632",
    "DiT-XL/2-512, dit_xl2_512.txt, 676014368",
    "DiT-S/2, dit_s2_256.txt, 32963360"
  })
  void publishedModelsAreRecognisedByKeysAndShapes(String preset, String file, long parameters)
      throws IOException {
    var keys = PublishedKeys.read(file);
    var layout = family.layout(keys).orElseThrow();
    assertEquals("original", layout.name());
    var config = family.infer(keys, Hints.NONE);
    assertEquals(family.preset(preset).orElseThrow(), config);
    assertEquals(keys, layout.stateDict(config));
    assertEquals(parameters, config.parameters());
    assertEquals(Conditioning.LABEL, config.conditioning());
    assertEquals(1000, config.nullClass());
    for (var key : keys.keySet()) {
      assertEquals(key.equals("pos_embed"), layout.optional(key), key);
      assertFalse(layout.ignored(key), key);
    }
  }

  @Test
  void headsMayBeHinted() {
    var keys = new DiTConfig(8, 2, 4, 96, 3, 6, 4, 10, true, true).stateDict();
    assertThrows(ParameterException.class, () -> family.infer(keys, Hints.NONE));
    assertEquals(6, family.infer(keys, new Hints("DiT-S/2", "")).numHeads());
  }

  @Test
  void theLayoutOfDiffusersNeedsItsDescription() {
    var config = family.preset("DiT-S/2").orElseThrow();
    var keys = DiTLayouts.diffusersStateDict(config);
    var layout = family.layout(keys).orElseThrow();
    assertEquals("diffusers", layout.name());
    assertEquals(keys, layout.stateDict(config));
    var e = assertThrows(ParameterException.class, () -> family.infer(keys, Hints.NONE));
    assertTrue(e.getMessage().contains("layout of diffusers"), e.getMessage());
    assertTrue(e.getMessage().contains("give --config with its config.json"), e.getMessage());
    var described =
        family.describe(
            json(
                """
                {"_class_name": "DiTTransformer2DModel", "num_layers": 12, "out_channels": 8,
                 "num_attention_heads": 6, "attention_head_dim": 64}"""));
    assertEquals(config, described);
    assertEquals(
        config,
        family.describe(
            json(
                """
                {"model": "dit", "hidden_size": 384, "depth": 12, "num_heads": 6}""")));
    assertEquals(List.of("dit", "DiTTransformer2DModel", "Transformer2DModel"), family.models());
  }

  private static JsonObject json(String text) {
    return (JsonObject) Json.parse(text);
  }

  @Test
  void otherFilesAreNotTakenForIt() throws IOException {
    for (var file : List.of("diffit_256.txt", "uvit_imagenet256_huge.txt")) {
      assertEquals(Optional.empty(), family.layout(PublishedKeys.read(file)), file);
    }
    var keys = new LinkedHashMap<>(PublishedKeys.read("dit_s2_256.txt"));
    keys.remove("final_layer.adaLN_modulation.1.weight");
    assertEquals(Optional.empty(), family.layout(keys));
  }

  /** The file stays as it is; only what is computed from it changes. */
  @Test
  void anotherInputSizeKeepsTheStateDict() {
    var config = family.preset("DiT-XL/2").orElseThrow();
    var large = config.withInputSize(48);
    assertEquals(576, large.tokens());
    assertEquals(config.stateDict(), large.stateDict());
    assertEquals("DiT-XL/2", large.name());
    assertEquals(config, large.withInputSize(32));
    var e = assertThrows(IllegalArgumentException.class, () -> config.withInputSize(33));
    assertTrue(e.getMessage().contains("33 is not a multiple of patch_size 2"), e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> config.withInputSize(0));
  }
}
