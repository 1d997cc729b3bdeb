package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.pipeline.BundledModels;
import dev.gatun.models.pipeline.Families;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** {@code --dtype}: what is asked for, and what computes. */
class ComputeOptionsTest {
  /** Refuses assembled code, without which no processor computes in bf16. */
  private static final String CODE = "gatun.cpu.code";

  @TempDir Path folder;

  private static String missing() {
    return Backend.unavailable(Device.CPU, null, Precision.BF16);
  }

  private static void requireBf16() {
    assumeTrue(missing().isEmpty(), "bf16 was not tested: " + missing());
  }

  private static String computed(String model, String dtype) {
    var line = "bench " + model + " --steps 1 --json --dtype " + dtype;
    return Run.of(line.split(" ")).json().string("dtype");
  }

  @Test
  void autoLooksAtTheWeights() {
    var best = missing().isEmpty() ? "bf16" : "f32";
    assertEquals(best, computed("dit-fruit", "bf16"));
    assertEquals(best, computed("dit-fruit", "auto"));
    assertEquals("f32", computed("dit-fruit", "f32"));
    assertEquals("f32", computed("dit-fruit", "auto --backend reference"));
    for (var stored : new String[] {"f32", "f16"}) {
      var file = folder.resolve(stored + ".safetensors").toString();
      Run.of("convert", "uvit-digits", file, "--dtype", stored).requireDone();
      assertEquals(stored.equals("f32") ? "f32" : best, computed(file, "auto"), stored);
    }
  }

  @Test
  void randomWeightsAreF32() {
    assertEquals("f32", computed("DiT-S/8", "auto"));
  }

  @Test
  void whereCodeIsRefusedTheResultsAreThoseOfF32() throws IOException {
    byte[] expected = pixels("f32");
    System.setProperty(CODE, "false");
    try {
      assertEquals("f32", computed("dit-fruit", "bf16"));
      assertEquals("f32", computed("dit-fruit", "auto"));
      assertArrayEquals(expected, pixels("bf16"));
      assertArrayEquals(expected, pixels("auto"));
      var devices = Run.of("devices");
      devices.requireDone();
      assertTrue(
          devices.out().lines().anyMatch(line -> line.startsWith("bf16        off: ")),
          devices.out());
    } finally {
      System.clearProperty(CODE);
    }
  }

  @Test
  void picturesOfTwoPrecisionsDoNotMix() throws IOException {
    requireBf16();
    assertFalse(Arrays.equals(pixels("f32"), pixels("bf16")));
    var line =
        "generate dit-fruit --count 1 --steps 2 --out " + folder.resolve("all") + " --dtype ";
    Run.of((line + "bf16").split(" ")).requireDone();
    Run.of((line + "auto").split(" ")).requireDone();
    var run = Run.of((line + "f32").split(" "));
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("all: holds pictures with dtype bf16, not f32; give an empty folder");
  }

  private byte[] pixels(String dtype) throws IOException {
    var file = folder.resolve("pictures.npz");
    var line = "generate dit-fruit --count 2 --steps 20 --out " + file + " --dtype " + dtype;
    Run.of(line.split(" ")).requireDone();
    return Files.readAllBytes(file);
  }

  private static boolean lacksBf16(String line, Backend backend, NetworkConfig network) {
    var spec = CommandSpec.create();
    ComputeOptions.addTo(spec);
    var arguments =
        new CommandLine(spec).parseArgs(line.isEmpty() ? new String[0] : line.split(" "));
    return ComputeOptions.lacksBf16(arguments, backend, network);
  }

  @Test
  void whoDidNotChooseIsToldOfBf16() {
    var large = Families.preset("DiT-S/2").orElseThrow().config();
    try (var f32 = Backend.open(Device.CPU, Precision.F32, 1);
        var bf16 = Backend.open(Device.CPU, Precision.BF16, 1);
        var reference = Backend.open(Device.CPU, "reference", 1)) {
      assertEquals(missing().isEmpty(), lacksBf16("", f32, large));
      assertEquals(missing().isEmpty(), lacksBf16("--threads 1", f32, large));
      for (var preset :
          new String[] {"DiT-XL/2", "imagenet256_uvit_large", "DiffiT-256", "64x64_diffusion"}) {
        var config = Families.preset(preset).orElseThrow().config();
        assertEquals(missing().isEmpty(), lacksBf16("", f32, config), preset);
      }
      assertFalse(lacksBf16("--dtype f32", f32, large));
      assertFalse(lacksBf16("", reference, large));
      if (missing().isEmpty()) {
        assertFalse(lacksBf16("", bf16, large));
      }
    }
  }

  @Test
  void nobodyIsToldOfItByABundledModel() {
    for (var model : BundledModels.names()) {
      var line = "generate " + model + " --count 1 --steps 2 --out " + folder.resolve("a.png");
      Run.of(line.split(" ")).requireDone();
    }
  }
}
