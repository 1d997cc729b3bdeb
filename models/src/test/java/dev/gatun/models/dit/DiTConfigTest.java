package dev.gatun.models.dit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DiTConfigTest {
  @ParameterizedTest
  @CsvSource({
    "DiT-XL/2, dit_xl2_256.txt",
    "DiT-XL/2-512, dit_xl2_512.txt",
    "DiT-S/2, dit_s2_256.txt"
  })
  void stateDictIsThatOfThePublishedModel(String preset, String file) throws IOException {
    var expected = new String(GoldenFiles.bytes("/keys/" + file), StandardCharsets.UTF_8);
    var found =
        DiTConfig.preset(preset).orElseThrow().stateDict().entrySet().stream()
            .map(entry -> entry.getKey() + " " + entry.getValue())
            .toList();
    assertEquals(expected.lines().sorted().toList(), found.stream().sorted().toList());
  }

  /** The paper's Gflops are multiply-adds; its numbers have two decimals. */
  @ParameterizedTest
  @CsvSource({
    "DiT-S/8, 0.36", "DiT-S/4, 1.41", "DiT-S/2, 6.06",
    "DiT-B/8, 1.42", "DiT-B/4, 5.56", "DiT-B/2, 23.01",
    "DiT-L/8, 5.01", "DiT-L/4, 19.70", "DiT-L/2, 80.71",
    "DiT-XL/8, 7.39", "DiT-XL/4, 29.05", "DiT-XL/2, 118.64",
    "DiT-XL/2-512, 524.6"
  })
  void multiplyAddsAreThePapers(String preset, double gflops) {
    var config = DiTConfig.preset(preset).orElseThrow();
    assertEquals(gflops, config.multiplyAdds(1) * 1e-9, gflops * 0.01 + 0.005);
    assertEquals(7 * config.multiplyAdds(1), config.multiplyAdds(7));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"DiT-XL", "DiT-XL/3", "DiT-M/2", "DiT-XL/2-300", "DiT-XL/2-0", "", "/", "x/2"})
  void whatIsNoPresetGivesNone(String name) {
    assertEquals(Optional.empty(), DiTConfig.preset(name));
  }

  @Test
  void namesArePublishedOnesWhereThereIsOne() {
    assertEquals("DiT-XL/2", DiTConfig.preset("dit-xl/2-512").orElseThrow().name());
    var own = new DiTConfig(8, 2, 4, 96, 3, 4, 4, 10, true, true);
    assertEquals("DiT, depth 3, width 96, patch 2", own.name());
    var otherHeads = new DiTConfig(32, 2, 4, 384, 12, 12, 4, 1000, true, true);
    assertEquals("DiT, depth 12, width 384, patch 2", otherHeads.name());
  }

  @Test
  void theMlpIsRoundedDown() {
    var config = new DiTConfig(8, 2, 4, 36, 1, 3, 2.7, 10, false, false);
    assertEquals(97, config.mlpHidden());
    assertEquals(10, config.labels());
    assertEquals(4, config.outChannels());
  }

  @Test
  void argumentsThatNoNetworkHasAreNamed() {
    refused("input_size is 0", 0, 2, 4, 96, 3, 4, 4, 10);
    refused("patch_size is -1", 8, -1, 4, 96, 3, 4, 4, 10);
    refused("depth is 1000000000", 8, 2, 4, 96, 1_000_000_000, 4, 4, 10);
    refused("hidden_size 96 is not a multiple of num_heads 5", 8, 2, 4, 96, 3, 5, 4, 10);
    refused("hidden_size 6 is not a multiple of 4", 8, 2, 4, 6, 3, 3, 4, 10);
    refused("input_size 9 is not a multiple of patch_size 2", 9, 2, 4, 96, 3, 4, 4, 10);
    refused("mlp_ratio is NaN", 8, 2, 4, 96, 3, 4, Double.NaN, 10);
    refused("mlp_ratio 0.001", 8, 2, 4, 96, 3, 4, 0.001, 10);
    refused("makes more than 65536 tokens", 1024, 2, 4, 96, 3, 4, 4, 10);
    refused("patch_size 32768 with in_channels 4", 32768, 32768, 4, 96, 3, 4, 4, 10);
  }

  private static void refused(
      String fact, int input, int patch, int in, int d, int depth, int heads, double mlp, int k) {
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> new DiTConfig(input, patch, in, d, depth, heads, mlp, k, true, true));
    assertTrue(e.getMessage().contains(fact), () -> List.of(fact, e.getMessage()).toString());
  }
}
