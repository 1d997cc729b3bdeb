package dev.gatun.models.uvit;

import static org.junit.jupiter.api.Assertions.assertEquals;
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

class UViTConfigTest {
  private final UViTFamily family = new UViTFamily();

  @ParameterizedTest
  @CsvSource({
    "cifar10_uvit_small, uvit_cifar10_small.txt, 44255328, 164, NONE, 0, -1",
    "celeba64_uvit_small, uvit_celeba64_small.txt, 44292228, 164, NONE, 0, -1",
    "imagenet64_uvit_mid, uvit_imagenet64_mid.txt, 130940292, 213, LABEL, 1000, -1",
    "imagenet64_uvit_large, uvit_imagenet64_large.txt, 286827652, 261, LABEL, 1000, -1",
    "imagenet256_uvit_large, uvit_imagenet256_large.txt, 286763172, 261, LABEL, 1000, 1000",
    "imagenet256_uvit_huge, uvit_imagenet256_huge.txt, 500832016, 355, LABEL, 1000, 1000",
    "imagenet512_uvit_large, uvit_imagenet512_large.txt, 286861524, 261, LABEL, 1000, 1000",
    "imagenet512_uvit_huge, uvit_imagenet512_huge.txt, 500942656, 355, LABEL, 1000, 1000",
    "mscoco_uvit_small, uvit_mscoco_small.txt, 44692644, 166, TEXT, 0, -1",
    "mscoco_uvit_small_deep, uvit_mscoco_small_deep.txt, 58345636, 214, TEXT, 0, -1"
  })
  void publishedModelsAreRecognisedByKeysAndShapes(
      String name,
      String file,
      long parameters,
      int tensors,
      Conditioning conditioning,
      int classes,
      int nullClass)
      throws IOException {
    var keys = PublishedKeys.read(file);
    assertEquals(tensors, keys.size());
    assertEquals("original", family.layout(keys).orElseThrow().name());
    var config = family.infer(keys, Hints.NONE);
    assertEquals(UViTConfig.preset(name).orElseThrow(), config);
    assertEquals(keys, config.stateDict());
    assertEquals(parameters, config.parameters());
    assertEquals(name, config.name());
    assertEquals(conditioning, config.conditioning());
    assertEquals(classes, config.numClasses());
    assertEquals(nullClass, config.nullClass());
    assertEquals(config, family.infer(keys, new Hints(name.toUpperCase(), "")));
  }

  /** Whichever tensor is gone, it is named at once or the rest still tells where it belongs. */
  @ParameterizedTest
  @ValueSource(
      strings = {"uvit_imagenet256_large.txt", "uvit_mscoco_small.txt", "uvit_cifar10_small.txt"})
  void oneMissingTensorIsNamed(String file) throws IOException {
    var whole = PublishedKeys.read(file);
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

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "in_blocks.3.attn.qkv.weight|3071, 1024",
        "out_blocks.9.skip_linear.weight|1024, 1024",
        "decoder_pred.weight|32, 1024",
        "label_emb.weight|1001, 1023",
        "final_layer.weight|4, 4, 1, 1",
        "mid_block.mlp.fc2.weight|1024, 4095",
        "norm.bias|1025"
      })
  void oneWrongShapeIsTheOnlyOne(String key, String dims) throws IOException {
    var keys = PublishedKeys.read("uvit_imagenet256_large.txt");
    int[] extents = List.of(dims.split(", ")).stream().mapToInt(Integer::parseInt).toArray();
    keys.put(key, Shape.of(extents));
    var wrong = new LinkedHashMap<>(family.infer(keys, Hints.NONE).stateDict());
    wrong.entrySet().removeAll(keys.entrySet());
    assertEquals(List.of(key), List.copyOf(wrong.keySet()));
  }

  @Test
  void shapesThatDoNotTellSayWhatWould() throws IOException {
    var own = new UViTConfig(16, 4, 3, 160, 6, 5, 4, false, false, 11, -1, 0, 0, true, 16);
    inferred(
        own.stateDict(),
        "depth 6 and width 160 is no published size",
        "heads",
        "{\"model\": \"uvit\", \"img_size\": 16, \"patch_size\": 4, \"in_chans\": 3,"
            + " \"embed_dim\": 160, \"depth\": 6, \"num_heads\": …, \"num_classes\": 11}");
    var text = PublishedKeys.read("uvit_mscoco_small.txt");
    text.put("pos_embed", Shape.of(1, 333, 512));
    inferred(text, "pos_embed has 333 tokens", "not 78 and a square grid", "num_clip_token");
    text.put("pos_embed", Shape.of(334, 512));
    inferred(text, "tensor pos_embed is [334, 512], expected 3 axes");
    text.put("pos_embed", Shape.of(1, 5, 512));
    inferred(text, "pos_embed has 5 tokens");
    var deep = PublishedKeys.read("uvit_cifar10_small.txt");
    deep.put("in_blocks.9999.norm1.weight", Shape.of(512));
    inferred(deep, "depth 20000 and width 512 is no published size");
    deep.put("in_blocks.99999999999.norm1.weight", Shape.of(512));
    deep.put("in_blocks.-1.norm1.weight", Shape.of(512));
    deep.put("in_blocks..norm1.weight", Shape.of(512));
    inferred(deep, "depth 20000");
  }

  private void inferred(SequencedMap<String, Shape> keys, String... facts) {
    sentence(assertThrows(ParameterException.class, () -> family.infer(keys, Hints.NONE)), facts);
  }

  @Test
  void otherNetworksAreNotTakenForIt() throws IOException {
    assertEquals(Optional.empty(), family.layout(PublishedKeys.read("dit_s2_256.txt")));
    assertEquals(Optional.empty(), family.layout(PublishedKeys.read("clip_vit_l14_text_hf.txt")));
  }

  @ParameterizedTest
  @CsvSource({
    "U-ViT-H/2, imagenet256_uvit_huge",
    "u-vit-h/4, imagenet512_uvit_huge",
    "U-ViT-L/2, imagenet256_uvit_large",
    "U-ViT-M/4, imagenet64_uvit_mid",
    "U-ViT-S/4, celeba64_uvit_small",
    "U-ViT-S/2-deep, mscoco_uvit_small_deep",
    "ImageNet256_UViT_Huge, imagenet256_uvit_huge"
  })
  void sizesThatOnlyOneHasAreNamesToo(String name, String config) {
    assertEquals(UViTConfig.preset(config).orElseThrow(), family.preset(name).orElseThrow());
  }

  @ParameterizedTest
  @ValueSource(strings = {"U-ViT-S/2", "U-ViT-L/4", "U-ViT-H", "DiT-XL/2", "", "H/2", "uvit"})
  void whatIsNoPresetGivesNone(String name) {
    assertEquals(Optional.empty(), family.preset(name));
  }

  /** The paper's Gflops are multiply-adds: 133 for H/2, 77 for L/2, both of 256 px. */
  @Test
  void multiplyAddsAreThePapers() {
    var huge = UViTConfig.preset("U-ViT-H/2").orElseThrow();
    assertEquals(133.3, huge.multiplyAdds(1) * 1e-9, 1.4);
    assertEquals(7 * huge.multiplyAdds(1), huge.multiplyAdds(7));
    var large = UViTConfig.preset("U-ViT-L/2").orElseThrow();
    assertEquals(76.5, large.multiplyAdds(1) * 1e-9, 0.8);
  }

  @Test
  void anotherInputSizeKeepsTheStoredPositions() {
    var huge = UViTConfig.preset("imagenet256_uvit_huge").orElseThrow();
    var wide = huge.withInputSize(48);
    assertEquals(2 + 24 * 24, wide.tokens());
    assertEquals(huge.stateDict(), wide.stateDict());
    assertEquals("imagenet256_uvit_huge", wide.name());
    assertEquals(huge, wide.withInputSize(32));
    sentence(
        assertThrows(IllegalArgumentException.class, () -> huge.withInputSize(33)),
        "img_size 33 is not a multiple of patch_size 2");
  }

  @Test
  void descriptionsAreTheAuthorsArguments() {
    var digits =
        describe(
            "{'model': 'uvit', 'img_size': 16, 'patch_size': 4, 'in_chans': 1, 'embed_dim': 160,"
                + " 'depth': 6, 'num_heads': 5, 'qkv_bias': false, 'num_classes': 11}");
    assertEquals(
        new UViTConfig(16, 4, 1, 160, 6, 5, 4, false, false, 11, -1, 0, 0, true, 16), digits);
    assertEquals(11, digits.numClasses());
    assertEquals("U-ViT, depth 6, width 160, patch 4", digits.name());
    var defaults = describe("{'model': 'uvit', 'img_size': 32, 'patch_size': 2}");
    assertEquals(
        new UViTConfig(32, 2, 3, 768, 12, 12, 4, false, false, 0, -1, 0, 0, true, 32), defaults);
    var text =
        describe(
            "{'model': 'uvit-t2i', 'img_size': 32, 'patch_size': 2, 'in_chans': 4,"
                + " 'embed_dim': 512, 'num_heads': 8, 'clip_dim': 768, 'num_clip_token': 77}");
    assertEquals("mscoco_uvit_small", text.name());
    assertEquals("uvit-t2i", text.model());
    var latents =
        "{'model': 'uvit', 'img_size': 32, 'patch_size': 2, 'in_chans': 4, 'num_classes': 1001%s}";
    assertEquals(1000, describe(latents.formatted("")).nullClass());
    assertEquals(-1, describe(latents.formatted(", 'null_class': -1")).nullClass());
  }

  private UViTConfig describe(String json) {
    return family.describe((JsonObject) Json.parse(json.replace('\'', '"')));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'depth': 1000000000|depth is 1000000000, expected 1 to 1000",
        "'depth': -2|depth is -2",
        "'depth': '6'|'depth' is a string",
        "'img_size': 17|img_size 17 is not a multiple of patch_size 4",
        "'img_size': 65536|makes more than 65536 tokens",
        "'img_size': 1024, 'embed_dim': 65536, 'num_heads': 1|65538 tokens of embed_dim 65536",
        "'img_size': 2147483647|img_size is 2147483647",
        "'patch_size': 0|patch_size is 0",
        "'in_chans': 60000, 'patch_size': 16|makes a patch of more than 1048576 numbers",
        "'embed_dim': 160|'num_heads' is missing",
        "'embed_dim': 2147483647, 'num_heads': 1|embed_dim is 2147483647",
        "'embed_dim': 160, 'num_heads': 0|num_heads is 0",
        "'embed_dim': 160, 'num_heads': 3|embed_dim 160 is not a multiple of num_heads 3",
        "'mlp_ratio': 1e400|'mlp_ratio' is 1e400",
        "'mlp_ratio': -4|mlp_ratio is -4.0",
        "'mlp_ratio': 1e-9|leaves an MLP of embed_dim 768 no width",
        "'num_classes': 0|'num_classes' is 0",
        "'num_classes': 2147483647|num_classes is 2147483647",
        "'num_classes': 11, 'null_class': 11|null_class is 11",
        "'null_class': 3|null_class is 3",
        "'conv': 1|'conv' is 1, expected true or false",
        "'skip': false|'skip'",
        "'qk_scale': 0.1|'qk_scale'",
        "'model': 'uvit-t2i', 'clip_dim': 0|clip_dim 0 and num_clip_token 77",
        "'model': 'uvit-t2i', 'num_clip_token': -1|num_clip_token is -1"
      })
  void descriptionsThatNoNetworkHasAreNamed(String changes, String fact) {
    var members = new LinkedHashMap<String, Json>();
    members.putAll(object("{'model': 'uvit', 'img_size': 16, 'patch_size': 4}").members());
    members.putAll(object("{" + changes + "}").members());
    sentence(
        assertThrows(
            IllegalArgumentException.class, () -> family.describe(new JsonObject(members))),
        fact);
  }

  private static JsonObject object(String json) {
    return (JsonObject) Json.parse(json.replace('\'', '"'));
  }

  private static void sentence(Exception e, String... facts) {
    var message = e.getMessage();
    assertTrue(message.length() < 400 && message.indexOf('\n') < 0, message);
    for (var fact : facts) {
      assertTrue(message.contains(fact), () -> "'" + fact + "' is not said in: " + message);
    }
  }
}
