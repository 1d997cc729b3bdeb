package dev.gatun.models.adm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.diffusion.Allocated;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Networks described in JSON: their defaults, and what no network has. */
class AdmDescriptionTest {
  private static final String UNET =
      "{\"model\": \"adm-unet\", \"image_size\": 64, \"in_channels\": 3, \"model_channels\": 192,"
          + " \"out_channels\": 6, \"num_res_blocks\": 3, \"attention_resolutions\": [8, 2, 4],"
          + " \"channel_mult\": [1, 2, 3, 4], \"num_classes\": 1000, \"num_head_channels\": 64,"
          + " \"use_scale_shift_norm\": true, \"resblock_updown\": true,"
          + " \"use_new_attention_order\": true}";
  private static final String CLASSIFIER =
      "{\"model\": \"adm-classifier\", \"image_size\": 512, \"in_channels\": 3,"
          + " \"model_channels\": 128, \"out_channels\": 1000, \"num_res_blocks\": 2,"
          + " \"attention_resolutions\": [16, 32, 64], \"num_head_channels\": 64,"
          + " \"use_scale_shift_norm\": true, \"resblock_updown\": true, \"pool\": \"attention\"}";

  @Test
  void publishedNetworksCanBeDescribed() {
    assertEquals(new AdmFamily().preset("ADM-64").orElseThrow(), describe(UNET));
    var defaultLevels = UNET.replace(" \"channel_mult\": [1, 2, 3, 4],", "");
    assertEquals(new AdmFamily().preset("ADM-64").orElseThrow(), describe(defaultLevels));
    assertEquals(
        new AdmClassifierFamily().preset("512x512_classifier").orElseThrow(), describe(CLASSIFIER));
    var upsampler =
        UNET.replace("adm-unet", "adm-superres")
            .replace("64, \"in", "256, \"in")
            .replace("[8, 2, 4]", "[8, 16, 32]")
            .replace("[1, 2, 3, 4]", "null")
            .replace("_head_channels\": 64", "_heads\": 4")
            .replace("_order\": true", "_order\": false")
            .replace("res_blocks\": 3", "res_blocks\": 2");
    assertEquals(new AdmFamily().preset("64_256_upsampler").orElseThrow(), describe(upsampler));
  }

  @Test
  void whatIsLeftOutIsAsInTheAuthorsCode() {
    var config =
        (AdmConfig)
            describe(
                "{\"model\": \"adm-unet\", \"image_size\": 16, \"in_channels\": 3,"
                    + " \"model_channels\": 64, \"out_channels\": 3, \"num_res_blocks\": 1,"
                    + " \"attention_resolutions\": [], \"channel_mult\": [0.5, 1.5],"
                    + " \"num_classes\": null, \"num_head_channels\": -1}");
    var net = config.backbone();
    assertEquals(
        new Backbone(64, List.of(0.5, 1.5), 1, List.of(), 1, 0, false, false, true, false), net);
    assertEquals(32, net.channels(0));
    assertEquals(96, net.channels(1));
    assertEquals(256, net.embedding());
    assertEquals(0, config.numClasses());
    assertFalse(config.stateDict().containsKey("label_emb.weight"));
    assertTrue(config.stateDict().containsKey("input_blocks.2.0.op.weight"));
    assertTrue(config.stateDict().containsKey("output_blocks.1.1.conv.weight"));
    var without =
        new Backbone(64, List.of(0.5, 1.5), 1, List.of(), 1, 0, false, false, false, false);
    var keys = new AdmConfig(16, 3, 3, 0, false, without).stateDict().keySet();
    assertFalse(keys.stream().anyMatch(key -> key.contains(".op.") || key.contains(".conv.")));
    assertEquals(
        Pooling.ADAPTIVE,
        ((ClassifierConfig) describe(CLASSIFIER.replace(", \"pool\": \"attention\"", ""))).pool());
  }

  private static Stream<Arguments> hostile() {
    return Stream.of(
        unet("image_size", "0", "image_size is 0"),
        unet("image_size", "2147483647", "image_size is 2147483647"),
        unet("image_size", "65536", "image_size is 65536"),
        unet("image_size", "60", "image_size is 60, expected a multiple of 8", "4 levels"),
        unet("image_size", "\"64\"", "'image_size' is a string"),
        unet("in_channels", "-3", "in_channels is -3"),
        unet("in_channels", "2000000000", "in_channels is 2000000000"),
        unet("model_channels", "0", "model_channels is 0"),
        unet("model_channels", "40", "makes 40 channels, expected a multiple of 32"),
        unet("model_channels", "6400", "makes 12800 channels"),
        unet("model_channels", "2147483647", "model_channels is 2147483647"),
        unet("out_channels", "5", "out_channels is 5, expected 3, or 6"),
        unet("num_res_blocks", "0", "num_res_blocks is 0"),
        unet("num_res_blocks", "1000000000", "num_res_blocks is 1000000000"),
        unet("attention_resolutions", "[0]", "attention_resolutions is 0"),
        unet("attention_resolutions", "[99999999999]", "attention_resolutions is 2147483647"),
        unet("attention_resolutions", "[2.5]", "item 0 of 'attention_resolutions' is 2.5"),
        unet("attention_resolutions", "\"32,16,8\"", "'attention_resolutions' is a string"),
        unet("channel_mult", "[]", "levels in channel_mult is 0"),
        unet("channel_mult", "[" + "1,".repeat(40) + "1]", "levels in channel_mult is 41"),
        unet("channel_mult", "[1, -2, 3, 4]", "channel_mult -2.0"),
        unet("channel_mult", "[1, 1e300, 3, 4]", "channel_mult 1.0E300"),
        unet("channel_mult", "[1, 1e999, 3, 4]", "channel_mult Infinity"),
        unet("channel_mult", "[1, \"2\", 3, 4]", "'channel_mult' holds a string"),
        unet("channel_mult", "\"1,2,3,4\"", "'channel_mult' is a string"),
        unet("num_classes", "-1", "num_classes is -1"),
        unet("num_classes", "2147483647", "num_classes is 2147483647"),
        unet("num_head_channels", "50", "has 384 channels, no multiple of num_head_channels 50"),
        unet("num_head_channels", "2147483647", "num_head_channels is 2147483647"),
        unet("resblock_updown", "1", "'resblock_updown' is 1"),
        Arguments.of(
            UNET.replace("[8, 2, 4]", "[1]").replace("64, \"in", "512, \"in"),
            new String[] {"image_size 512 has attention to 262144 positions"}),
        Arguments.of(
            UNET.replace("num_head_channels\": 64", "num_heads\": 7"),
            new String[] {"no multiple of num_heads 7"}),
        Arguments.of(
            UNET.replace("channel_mult", "mult").replace("\": 64,", "\": 48,"),
            new String[] {"'channel_mult' is missing"}),
        Arguments.of(
            UNET.replace("model_channels", "channels"),
            new String[] {"'model_channels' is missing"}),
        classifier("pool", "\"max\"", "'pool' is 'max', expected attention, adaptive, spatial"),
        classifier("pool", "3", "'pool' is 3"),
        classifier("out_channels", "0", "out_channels is 0"),
        classifier("image_size", "510", "image_size is 510, expected a multiple of"),
        classifier("num_head_channels", "-1", "needs num_head_channels"));
  }

  private static Arguments unet(String key, String value, String... facts) {
    return change(UNET, key, value, facts);
  }

  private static Arguments classifier(String key, String value, String... facts) {
    return change(
        CLASSIFIER.replace("\"num_head", "\"channel_mult\": [1, 1, 2], \"num_head"),
        key,
        value,
        facts);
  }

  private static Arguments change(String json, String key, String value, String... facts) {
    var pattern = "\"" + key + "\": (\\[[^]]*]|[^,}]+)";
    return Arguments.of(json.replaceFirst(pattern, "\"" + key + "\": " + value), facts);
  }

  @ParameterizedTest
  @MethodSource("hostile")
  void whatNoNetworkHasIsRefused(String json, String[] facts) {
    long before = Allocated.bytes();
    var e = assertThrows(IllegalArgumentException.class, () -> describe(json));
    long allocated = Allocated.bytes() - before;
    assertTrue(allocated < 4 << 20, allocated + " bytes on the heap for: " + e.getMessage());
    assertTrue(e.getMessage().length() < 400, e.getMessage());
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), () -> "'" + fact + "' not in: " + e.getMessage());
    }
  }

  /** The largest that the bounds admit: its tensors can still be listed. */
  @Test
  void theLargestDescriptionIsBounded() {
    var levels = "[" + "1,".repeat(11) + "1]";
    var config =
        describe(
            UNET.replace("\": 64, \"in", "\": 2048, \"in")
                .replace("[1, 2, 3, 4]", levels)
                .replace("[8, 2, 4]", "[8, 16, 32, 64, 128, 256, 512, 1024, 2048]")
                .replace("res_blocks\": 3", "res_blocks\": 16")
                .replace("model_channels\": 192", "model_channels\": 8192"));
    long before = Allocated.bytes();
    assertTrue(config.stateDict().size() > 4000);
    assertTrue(config.multiplyAdds(1) > 0);
    long allocated = Allocated.bytes() - before;
    assertTrue(allocated < 64 << 20, allocated + " bytes on the heap");
  }

  private static NetworkConfig describe(String text) {
    var json = (JsonObject) Json.parse(text);
    NetworkFamily family =
        json.string("model").equals("adm-classifier") ? new AdmClassifierFamily() : new AdmFamily();
    assertTrue(family.models().contains(json.string("model")));
    return family.describe(json);
  }
}
