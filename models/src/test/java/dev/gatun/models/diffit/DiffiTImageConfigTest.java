package dev.gatun.models.diffit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.models.diffit.DiffiTImageConfig.Training;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DiffiTImageConfigTest {
  private static final String SOUND =
      "{\"model\": \"diffit-image\", \"img_size\": 16, \"in_channels\": 1, \"num_classes\": 10,"
          + " \"dims\": [32, 64, 128], \"depths\": [1, 2, 2], \"heads\": [1, 2, 4],"
          + " \"window\": 8, \"learn_sigma\": true}";

  private final DiffiTImageFamily family = new DiffiTImageFamily();

  @Test
  void descriptionsSayWhatFilesDoNot() {
    assertEquals(
        new DiffiTImageConfig(
            16,
            1,
            2,
            List.of(32, 64, 128),
            List.of(1, 2, 2),
            List.of(1, 2, 4),
            8,
            10,
            128,
            64,
            4,
            Training.DDPM,
            16),
        family.describe(json(SOUND)));
    var plain = family.describe(json(SOUND.replace("\"num_classes\": 10", "\"time_dim\": 96")));
    assertEquals(Conditioning.NONE, plain.conditioning());
    assertEquals(-1, plain.nullClass());
    assertEquals(96, plain.timeDim());
    assertEquals(48, plain.frequencies());
    assertTrue(plain.stateDict().keySet().stream().noneMatch(key -> key.startsWith("label")));
    var head = SOUND.replace("\"learn_sigma\": true", "\"out_channels\": 1");
    assertEquals(1, family.describe(json(head)).outChannels());
  }

  /** The networks of the paper can be described as well as named. */
  @Test
  void presetsAreThePapers() {
    var cifar =
        family.describe(
            json(
                """
                {"model": "diffit-image", "img_size": 32, "dims": [128, 256, 256],
                 "depths": [4, 4, 4], "heads": [4, 4, 4], "window": 4, "precond": "edm"}"""));
    assertEquals(family.preset("DiffiT-CIFAR10").orElseThrow(), cifar);
    assertEquals("DiffiT-CIFAR10", cifar.name());
    assertEquals(Training.EDM, cifar.training());
    assertEquals(3, cifar.outChannels());
    var ffhq = family.preset("diffit-ffhq64").orElseThrow();
    assertEquals("DiffiT-FFHQ64", ffhq.name());
    assertEquals(8, ffhq.windows(3).side());
    assertEquals(Conditioning.NONE, ffhq.conditioning());
    assertEquals(Optional.empty(), family.preset("DiffiT-256"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"img_size\": 16|\"img_size\": 18|img_size 18 is not a multiple of 4, as 3 stages need",
        "\"img_size\": 16|\"img_size\": 0|img_size is 0, expected 1 to 4096",
        "\"img_size\": 16|\"img_size\": 1000000|img_size is 1000000",
        "\"img_size\": 16|\"size\": 16|key 'img_size' is missing",
        "\"window\": 8|\"window\": 3|side of 16, which windows of 3 do not divide",
        "\"window\": 8|\"window\": 0|window is 0",
        "\"window\": 8, |''|key 'window' is missing",
        "[32, 64, 128]|[32, 64]|'dims', 'depths' and 'heads' have 2, 3 and 3 items",
        "[32, 64, 128]|[]|key 'dims' is empty",
        "[32, 64, 128]|7|key 'dims' is 7, expected an array",
        "[32, 64, 128]|[32, 64, 144]|item 2 of 'dims' is 144, expected a multiple of 4, and of 32",
        "[32, 64, 128]|[32, 66, 128]|item 1 of 'dims' is 66, expected a multiple of 4",
        "[32, 64, 128]|[32, 64, 99999999999]|item 2 of 'dims' is 2147483647, expected 4 to 65536",
        "[32, 64, 128]|[-2147483648, 64, 128]|item 0 of 'dims' is -2147483648",
        "[1, 2, 2]|[1, 0, 2]|item 1 of 'depths' is 0",
        "[1, 2, 2]|[1, 999, 2]|the sum of 'depths' is 1002",
        "[1, 2, 4]|[1, 3, 4]|item 1 of 'dims' is 64, which 3 heads do not divide",
        "[1, 2, 4]|[1, 0, 4]|item 1 of 'heads' is 0",
        "\"num_classes\": 10|\"num_classes\": -1|num_classes is -1",
        "\"learn_sigma\": true|\"learn_sigma\": 1|'learn_sigma' is 1",
        "\"learn_sigma\": true|\"out_channels\": 3|out_channels is 3, expected 1, or 2 with",
        "\"learn_sigma\": true|\"learn_sigma\": true, \"out_channels\": 1|with learn_sigma true",
        "\"learn_sigma\": true|\"learn_sigma\": true, \"precond\": \"edm\"|give learn_sigma false",
        "\"learn_sigma\": true|\"precond\": \"vp\"|'precond' is 'vp', expected 'ddpm' or 'edm'",
        "\"learn_sigma\": true|\"mlp_ratio\": 1e9|mlp_ratio is 1.0E9",
        "\"learn_sigma\": true|\"time_dim\": 0|time_dim is 0",
        "\"learn_sigma\": true|\"time_embed_dim\": 1|time_embed_dim is 1"
      })
  void whatNoNetworkHasIsRefused(String from, String to, String fact) {
    assertTrue(SOUND.contains(from), from);
    var text = SOUND.replace(from, to);
    var e = assertThrows(IllegalArgumentException.class, () -> family.describe(json(text)));
    assertTrue(e.getMessage().contains(fact), e.getMessage());
    assertTrue(e.getMessage().length() < 300, e.getMessage());
  }

  @Test
  void tooManyStagesAreRefused() {
    var ones = "[" + "4, ".repeat(12) + "4]";
    var text = SOUND.replaceAll("\\[[^]]*]", ones).replace("16", "4096");
    var e = assertThrows(IllegalArgumentException.class, () -> family.describe(json(text)));
    assertTrue(e.getMessage().contains("number of stages in 'dims' is 13"), e.getMessage());
  }

  private static JsonObject json(String text) {
    return (JsonObject) Json.parse(text);
  }

  /** The shapes fit many sizes of images, so what is to be given is said, with what they tell. */
  @Test
  void shapesDoNotTellEverything() throws IOException {
    var keys = Goldens.config("diffit-image-tiny3").stateDict();
    assertEquals("original", family.layout(keys).orElseThrow().name());
    var e = assertThrows(ParameterException.class, () -> family.infer(keys, Hints.NONE));
    assertTrue(
        e.getMessage()
            .endsWith(
                "give --config with a file such as {\"model\": \"diffit-image\", \"img_size\": …,"
                    + " \"in_channels\": 1, \"num_classes\": 4, \"dims\": [32, 64, 96],"
                    + " \"depths\": [1, 2, 1], \"heads\": [1, 2, 3], \"window\": 8,"
                    + " \"learn_sigma\": false, \"time_dim\": 128, \"time_embed_dim\": 64}"),
        e.getMessage());
    // completed, it is the description
    var text = e.getMessage().substring(e.getMessage().indexOf('{')).replace("…", "16");
    assertEquals(Goldens.config("diffit-image-tiny3"), family.describe(json(text)));
    keys.remove("encoder.1.0.conv.weight");
    var missing = assertThrows(ParameterException.class, () -> family.infer(keys, Hints.NONE));
    assertTrue(
        missing.getMessage().startsWith("tensor encoder.1.0.conv.weight is missing"),
        missing.getMessage());
    assertEquals(
        family.preset("DiffiT-FFHQ64").orElseThrow(),
        family.infer(keys, new Hints("DiffiT-FFHQ64", "")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"diffit-image-tiny", "diffit-image-tiny3"})
  void theLayoutHasTheBuffersOfTheFile(String name) throws IOException {
    var expected = family.layout(Goldens.config(name).stateDict()).orElseThrow();
    var shapes = expected.stateDict(Goldens.config(name));
    var file = Goldens.weights(name);
    assertEquals(file.keySet(), shapes.keySet());
    file.forEach((key, tensor) -> assertEquals(tensor.shape(), shapes.get(key), key));
  }

  /** Counted again from the tensors, each used at every position of its stage. */
  @Test
  void multiplyAddsAreThoseOfTheTensors() {
    var config = family.describe(json(SOUND));
    long sum = 0;
    for (var entry : config.stateDict().entrySet()) {
      var key = entry.getKey();
      if (entry.getValue().rank() > 1 && !key.startsWith("label") && !key.endsWith("_table")) {
        sum += entry.getValue().size() * positions(key);
      }
    }
    int[] blocks = {2, 4, 2};
    for (int s = 0; s < 3; s++) {
      long area = (16L >> s) * (16L >> s);
      long window = Math.min(8, 16 >> s);
      sum += blocks[s] * 2 * area * window * window * config.dims().get(s);
    }
    assertEquals(sum, config.multiplyAdds(1));
    assertEquals(3 * sum, config.multiplyAdds(3));
  }

  private static long positions(String key) {
    if (key.contains("time_mlp") || key.contains("qkv_temb")) {
      return 1;
    }
    var parts = key.split("\\.");
    int stage = parts[0].matches("stem|head") ? 0 : Integer.parseInt(parts[1]);
    long side = 16 >> (parts[0].equals("down") ? stage + 1 : stage);
    return side * side;
  }

  @Test
  void anotherInputSizeKeepsTheWindows() {
    var config = family.describe(json(SOUND));
    var large = config.withInputSize(32);
    assertEquals(config.stateDict(), large.stateDict());
    assertEquals(4, large.windows(2).side());
    assertEquals(8, large.windows(2).width());
    assertEquals(config, large.withInputSize(16));
    var e = assertThrows(IllegalArgumentException.class, () -> config.withInputSize(8 + 4));
    assertTrue(
        e.getMessage().contains("img_size 12 gives stage 0 a side of 12, which windows of 8"),
        e.getMessage());
    assertEquals(Shape.of(49, 4), config.stateDict().get(bias(2)));
    assertEquals(Shape.of(225, 2), config.stateDict().get(bias(1)));
  }

  private static String bias(int stage) {
    return "encoder." + stage + ".0.attn.relative_position_bias_table";
  }
}
