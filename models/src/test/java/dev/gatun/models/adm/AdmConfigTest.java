package dev.gatun.models.adm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The published networks: their tensors, their blocks, their cost, and how files are recognised.
 */
class AdmConfigTest {
  private static final String UNCONDITIONAL = "256x256_diffusion_uncond_and_lsun";

  @ParameterizedTest
  @CsvSource({
    "64x64_diffusion, 64x64_diffusion, 295904454, 541",
    "128x128_diffusion, 128x128_diffusion, 421529606, 493",
    "256x256_diffusion, 256x256_diffusion, 553838086, 567",
    "256x256_diffusion_uncond, 256x256_diffusion_uncond_and_lsun, 552814086, 566",
    "512x512_diffusion, 512x512_diffusion, 558997638, 645",
    "64_256_upsampler, 64_256_upsampler, 311795910, 567",
    "128_512_upsampler, 128_512_upsampler, 308835270, 537",
    "lsun_bedroom, 256x256_diffusion_uncond_and_lsun, 552814086, 566",
    "lsun_cat, 256x256_diffusion_uncond_and_lsun, 552814086, 566",
    "lsun_horse, 256x256_diffusion_uncond_and_lsun, 552814086, 566",
    "lsun_horse_nodropout, 256x256_diffusion_uncond_and_lsun, 552814086, 566",
    "64x64_classifier, 64x64_classifier, 65438568, 307",
    "128x128_classifier, 128x128_classifier, 42568040, 221",
    "256x256_classifier, 256x256_classifier, 54096360, 249",
    "512x512_classifier, 512x512_classifier, 54448360, 281"
  })
  void everyPublishedFileIsRecognised(String preset, String list, long parameters, int tensors)
      throws IOException {
    var family = family(preset);
    var keys = keys(list);
    var config = family.preset(preset).orElseThrow();
    assertEquals(List.copyOf(keys.entrySet()), List.copyOf(config.stateDict().entrySet()));
    assertEquals(parameters, config.parameters());
    assertEquals(tensors, keys.size());

    var layout = family.layout(keys).orElseThrow();
    assertEquals("original", layout.name());
    assertEquals(keys, layout.stateDict(config));
    assertEquals(Optional.empty(), other(family).layout(keys));
    assertEquals(config, family.infer(keys, Hints.NONE));
    assertEquals(config, family.infer(keys, new Hints(preset, preset + ".pt")));
    assertTrue(config.name().contains(preset), config.name());
  }

  /** What the shapes do not show, against the blocks that the authors' constructors made. */
  @Test
  void blocksAreThoseOfTheAuthors() throws IOException {
    var expected = new LinkedHashMap<String, List<String>>();
    List<String> block = null;
    for (var line : text("structure").lines().toList()) {
      if (line.startsWith("===== ")) {
        block = new ArrayList<>();
        expected.put(line.substring(6), block);
      } else {
        block.add(line);
      }
    }
    assertEquals(11, expected.size());
    expected.forEach(
        (name, lines) -> {
          var preset = name.split("/")[0];
          var plan =
              switch (family(preset).preset(preset).orElseThrow()) {
                case AdmConfig unet -> unet.plan();
                case ClassifierConfig classifier -> classifier.plan();
                case NetworkConfig unknown -> throw new AssertionError(unknown);
              };
          var found = new ArrayList<String>();
          plan.input().forEach(b -> found.add(show(b)));
          found.add(show(plan.middle()));
          plan.output().forEach(b -> found.add(show(b)));
          assertEquals(String.join("\n", lines), String.join("\n", found), name);
        });
  }

  private static String show(BlockPlan block) {
    var prefix = block.prefix();
    int dot = prefix.indexOf('.');
    var name =
        dot < 0 ? prefix + "[0]" : prefix.substring(0, dot) + "[" + prefix.substring(dot + 1) + "]";
    return name
        + ": "
        + String.join(" ; ", block.parts().stream().map(AdmConfigTest::show).toList());
  }

  private static String show(Part part) {
    return switch (part) {
      case Part.Stem stem -> "Conv2d(%d, %d, 3, 3)".formatted(stem.out(), stem.in());
      case Part.Residual r ->
          "Res(%d->%d%s)"
              .formatted(r.in(), r.out(), r.resize() == Resize.NONE ? "" : " " + r.resize());
      case Part.Attention a ->
          "Attn(%d,h=%d,%s)"
              .formatted(
                  a.channels(), a.heads(), a.newOrder() ? "QKVAttention" : "QKVAttentionLegacy");
      case Part.Down down -> "Down(" + down.channels() + ")";
      case Part.Up up -> "Up(" + up.channels() + ")";
    };
  }

  /** The paper's Gflops of one evaluation are multiply-adds. */
  @ParameterizedTest
  @CsvSource({"128x128_diffusion, 307", "256x256_diffusion, 1120", "512x512_diffusion, 1983"})
  void multiplyAddsAreThePapers(String preset, double gflops) {
    var config = new AdmFamily().preset(preset).orElseThrow();
    assertEquals(gflops, config.multiplyAdds(1) * 1e-9, gflops * 0.001);
    assertEquals(7 * config.multiplyAdds(1), config.multiplyAdds(7));
  }

  @Test
  void shortNamesAndOtherSizes() {
    var family = new AdmFamily();
    assertEquals(family.preset("256x256_diffusion"), family.preset("adm-256"));
    assertEquals(Optional.empty(), family.preset("ADM-1024"));
    assertEquals(Optional.empty(), family.preset(""));
    assertEquals(Optional.empty(), family.preset("64x64_classifier"));
    var config = family.preset("ADM-64").orElseThrow();
    assertEquals(64 * 64, config.tokens());
    assertEquals("64x64_diffusion", config.withInputSize(96).name());
    assertEquals(96 * 96, config.withInputSize(96).tokens());
    assertEquals(config.stateDict(), config.withInputSize(96).stateDict());
    var e = assertThrows(IllegalArgumentException.class, () -> config.withInputSize(100));
    assertTrue(e.getMessage().contains("image_size is 100, expected a multiple of 8"));
    var uncond = family.preset("lsun_cat").orElseThrow();
    assertEquals(
        "256x256_diffusion_uncond or lsun_bedroom or lsun_cat or lsun_horse or lsun_horse_nodropout",
        uncond.name());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"64x64_diffusion", "128_512_upsampler", UNCONDITIONAL, "512x512_classifier"})
  void oneWrongTensorIsNamed(String list) throws IOException {
    var family = family(list);
    for (var key : List.of("middle_block.1.qkv.weight", "out.2.weight", "time_embed.2.bias")) {
      if (!keys(list).containsKey(key)) {
        continue;
      }
      var missing = keys(list);
      var shape = missing.remove(key);
      refused(family, missing, Hints.NONE, "tensor " + key + " is missing; ", "--config");
      var wrong = keys(list);
      wrong.put(key, Shape.of(7));
      refused(family, wrong, Hints.NONE, "tensor " + key + " is [7], in ", "it is " + shape);
    }
    var more = keys(list);
    more.put("input_blocks.99.0.weight", Shape.of(1));
    refused(family, more, Hints.NONE, "tensor input_blocks.99.0.weight is left over");
  }

  @Test
  void aPresetOfOtherShapesIsContradicted() throws IOException {
    refused(
        new AdmFamily(),
        keys("256x256_diffusion"),
        new Hints("ADM-64", ""),
        "tensor time_embed.0.weight is [1024, 256], in ADM-64 it is [768, 192]");
  }

  @Test
  void anUnknownNetworkNeedsADescription() throws IOException {
    try (var tiny = GoldenFiles.open("adm-tiny.model.safetensors")) {
      var keys = new LinkedHashMap<String, Shape>();
      tiny.tensors().forEach((key, info) -> keys.put(key, info.shape()));
      refused(new AdmFamily(), keys, Hints.NONE, "no published network", "\"model_channels\": 32");
    }
    assertEquals(Optional.empty(), new AdmFamily().layout(new LinkedHashMap<>()));
    assertEquals(Optional.empty(), new AdmClassifierFamily().layout(new LinkedHashMap<>()));
  }

  private static void refused(
      NetworkFamily family, SequencedMap<String, Shape> keys, Hints hints, String... facts) {
    var e = assertThrows(ParameterException.class, () -> family.infer(keys, hints));
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), () -> Arrays.toString(facts) + e.getMessage());
    }
  }

  private static NetworkFamily family(String name) {
    return name.endsWith("classifier") ? new AdmClassifierFamily() : new AdmFamily();
  }

  private static NetworkFamily other(NetworkFamily family) {
    return family instanceof AdmFamily ? new AdmClassifierFamily() : new AdmFamily();
  }

  private static String text(String list) throws IOException {
    return new String(GoldenFiles.bytes("/keys/adm_" + list + ".txt"), StandardCharsets.UTF_8);
  }

  private static SequencedMap<String, Shape> keys(String list) throws IOException {
    var keys = new LinkedHashMap<String, Shape>();
    for (var line : text(list).lines().toList()) {
      var parts = line.split(" ", 2);
      var dims = parts[1].replaceAll("[\\[\\] ]", "").split(",");
      keys.put(parts[0], Shape.of(Arrays.stream(dims).mapToInt(Integer::parseInt).toArray()));
    }
    return keys;
  }
}
