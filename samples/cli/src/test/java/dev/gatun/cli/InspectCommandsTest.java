package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.BundledModels;
import dev.gatun.models.pipeline.ModelFile;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code gatun forward}, {@code info} and {@code bench}. */
class InspectCommandsTest {
  private static final long SEED = 11;

  @TempDir Path folder;

  private static Tensor noise(int n) {
    var random = new Random(SEED);
    float[] values = new float[n * 3 * 32 * 32];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.of(Shape.of(n, 3, 32, 32), values);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void forwardIsTheEvaluationOfTheNetwork(String name) throws IOException {
    var in = folder.resolve("in.safetensors");
    var out = folder.resolve("out.safetensors");
    try (var x = noise(3);
        var t = Tensor.of(Shape.of(3), 999f, 0f, 17.5f);
        var y = Tensor.of(Shape.of(3), 0L, 24L, 5L);
        var odd = Tensor.of(Shape.of(1), 1f)) {
      SafetensorsWriter.write(in, Map.of(), Map.of("x", x, "t", t, "y", y, "odd", odd));
      var run =
          Run.of(
              ("forward --weights dit-fruit --in " + in + " --out " + out + " --backend " + name)
                  .split(" "));
      run.requireDone();
      assertEquals("wrote " + out + ": out F32 [3, 6, 32, 32]", run.out().strip());
      try (var bundled = BundledModels.open("dit-fruit");
          var backend = Backend.open(Device.CPU, name, 1);
          var network =
              ModelFile.recognise(bundled.checkpoint(), null).load(bundled.checkpoint(), backend);
          var expected = network.evaluate(Map.of("x", x, "t", t, "y", y)).get("out");
          var found = Checkpoint.open(out)) {
        assertEquals(Set.of("out"), found.tensors().keySet());
        assertEquals(
            -1,
            found.<Long>read("out", tensor -> tensor.segment().mismatch(expected.segment())),
            "seed " + SEED);
      }
    }
  }

  @Test
  void forwardTakesWholeNumbersForTimes() throws IOException {
    var in = folder.resolve("in.safetensors");
    try (var x = noise(1);
        var t = Tensor.of(Shape.of(1), 500L);
        var y = Tensor.allocate(DType.I32, Shape.of(1))) {
      SafetensorsWriter.write(in, Map.of(), Map.of("x", x, "t", t, "y", y));
    }
    forward(in).requireDone();
  }

  @Test
  void forwardNamesTheInputThatIsWrong() throws IOException {
    var in = folder.resolve("in.safetensors");
    try (var x = noise(1);
        var t = Tensor.of(Shape.of(1), 5f);
        var y = Tensor.of(Shape.of(1), 5f);
        var none = Tensor.of(Shape.of(1), 25L);
        var two = Tensor.of(Shape.of(2), 5f, 6f)) {
      SafetensorsWriter.write(in, Map.of(), Map.of("x", x, "t", t));
      requireFailure(in, "in.safetensors: the input y is missing");
      SafetensorsWriter.write(in, Map.of(), Map.of("x", x, "t", t, "y", y));
      requireFailure(in, "in.safetensors: tensor y is F32, expected I64");
      SafetensorsWriter.write(in, Map.of(), Map.of("x", x, "t", two, "y", none));
      requireFailure(in, "in.safetensors: the input t is [2], expected [1]");
      SafetensorsWriter.write(in, Map.of(), Map.of("x", x, "t", t, "y", none));
      requireFailure(in, "in.safetensors: ");
    }
    assertFalse(Files.exists(folder.resolve("out.safetensors")));
  }

  private void requireFailure(Path in, String said) {
    var run = forward(in);
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence(said);
  }

  private Run forward(Path in) {
    var out = folder.resolve("out.safetensors");
    return Run.of(("forward --weights dit-fruit --in " + in + " --out " + out).split(" "));
  }

  @Test
  void infoOfTheBundledModel() {
    var json = Run.of("info", "dit-fruit", "--json").json();
    assertEquals("dit-fruit", json.string("file"));
    assertEquals("safetensors", json.string("format"));
    assertEquals(92, json.integer("tensors"));
    assertEquals(List.of(new JsonString("BF16")), json.array("dtypes").items());
    assertEquals("dit", json.string("network"));
    assertEquals("its own metadata", json.string("origin"));
    assertEquals(2_487_136, json.integer("parameters"));
    assertEquals(24, json.array("classes").items().size());
    assertEquals("ddim", json.object("sampling").string("sampler"));
    assertEquals(50, json.object("sampling").integer("steps"));
    assertEquals(2, json.object("sampling").number("guidance"));
    assertTrue(json.array("missing").items().isEmpty());
    assertTrue(json.array("left_over").items().isEmpty());
    var text = Run.of("info", "dit-fruit");
    text.requireDone();
    for (var fact : List.of("2,487,136", "strawberry", "50 steps", "92 of BF16", "safetensors")) {
      assertTrue(text.out().contains(fact), fact + " in " + text.out());
    }
  }

  @Test
  void infoOfAnUnknownNetwork() throws IOException {
    var file = folder.resolve("other.safetensors");
    try (var tensor = Tensor.of(Shape.of(2, 3), 1f, 2f, 3f, 4f, 5f, 6f)) {
      SafetensorsWriter.write(file, Map.of(), Map.of("some.weight", tensor));
    }
    var json = Run.of("info", file.toString(), "--json").json();
    assertEquals(1, json.integer("tensors"));
    assertTrue(
        json.string("reason").startsWith("other.safetensors: is no network that Gatun knows"),
        json.toString());
    var text = Run.of("info", file.toString());
    text.requireDone();
    assertTrue(text.out().contains("is no network that Gatun knows"), text.out());
    assertTrue(text.out().contains("some.weight F32 [2, 3]"), text.out());
  }

  @Test
  void infoFailsWhereTheUserIsWrong() throws IOException {
    var config = folder.resolve("bad.json");
    Files.writeString(config, "depth 3");
    for (var json : List.of("", " --json")) {
      var run = Run.of(("info dit-fruit --config " + config + json).split(" "));
      assertEquals(Main.FAILED, run.exitCode());
      run.requireOneSentence("bad.json: is not sound JSON");
      run = Run.of(("info dit-fruit --preset DiT-XL/2-256" + json).split(" "));
      assertEquals(Main.FAILED, run.exitCode());
      run.requireOneSentence("dit-fruit: is a ");
    }
  }

  @Test
  void infoOfGarbage() throws IOException {
    var file = folder.resolve("garbage.pt");
    byte[] bytes = new byte[999];
    new Random(SEED).nextBytes(bytes);
    Files.write(file, bytes);
    var run = Run.of("info", file.toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("garbage.pt: ");
  }

  @Test
  void benchOfAPublishedSize() {
    var json = Run.of("bench dit-s/8 --batch 1 --steps 1 --threads 1 --json".split(" ")).json();
    assertEquals(
        List.of(
            "model",
            "device",
            "backend",
            "dtype",
            "threads",
            "batch",
            "steps",
            "median_s",
            "min_s",
            "max_s",
            "first_step_s",
            "gflops",
            "rss_mib",
            "rss_growth_mib"),
        List.copyOf(json.members().keySet()));
    assertEquals("DiT-S/8", json.string("model"));
    assertEquals("cpu", json.string("device"));
    assertEquals("cpu", json.string("backend"));
    assertEquals("f32", json.string("dtype"));
    assertEquals(1, json.integer("threads"));
    assertEquals(1, json.integer("batch"));
    assertEquals(1, json.integer("steps"));
    assertEquals(json.number("median_s"), json.number("min_s"));
    assertEquals(json.number("median_s"), json.number("max_s"));
    assertTrue(json.number("first_step_s") > 0);
    // the paper: 0.36 G multiply-adds
    double work = json.number("gflops") * json.number("median_s");
    assertEquals(0.72, work, 0.02, json.toString());
    if (Files.exists(Path.of("/proc/self/status"))) {
      // 33 million weights
      assertTrue(json.number("rss_mib") > 126, json.toString());
    }
  }

  @Test
  void benchComparesPrecisions() {
    for (var dtype : new String[] {"bf16", "i8"}) {
      var precision = Precision.valueOf(dtype.toUpperCase(Locale.ROOT));
      if (!Backend.unavailable(Device.CPU, null, precision).isEmpty()) {
        continue;
      }
      var line = "bench dit-fruit --steps 1 --batch 2 --dtype " + dtype + " --compare f32";
      var json = Run.of((line + " --json").split(" ")).json();
      assertEquals(dtype, json.string("dtype"));
      var compare = json.object("compare");
      assertEquals(
          List.of("dtype", "relative_l2", "max_difference", "median_s"),
          List.copyOf(compare.members().keySet()));
      assertEquals("f32", compare.string("dtype"));
      double error = compare.number("relative_l2");
      assertTrue(1e-4 < error && error < 0.1, json.toString());
      assertTrue(compare.number("max_difference") > 0, json.toString());
      assertTrue(compare.number("median_s") > 0, json.toString());
      var run = Run.of(line.split(" "));
      run.requireDone();
      assertTrue(run.out().contains("relative L2 error "), run.out());
    }
  }

  /**
   * The widest tensor of 512 pictures, 64 tokens of 512 numbers each, has 64 MiB, which go back to
   * the system after the last evaluation. (Of what has 32 MiB or less, glibc may keep the pages.)
   */
  @Test
  @EnabledOnOs(OS.LINUX)
  void benchCountsTheIntermediates() {
    var json = Run.of("bench dit-fruit --batch 512 --steps 1 --json".split(" ")).json();
    double freed = json.number("rss_mib") - ResidentMemory.bytes() / (double) (1 << 20);
    assertTrue(freed > 60, freed + " MiB");
  }

  @Test
  void benchOfTheBundledModelForPeople() {
    var run = Run.of("bench", "--steps", "2", "--batch", "3");
    run.requireDone();
    assertTrue(run.out().startsWith("dit-fruit, batch 3, f32, on cpu"), run.out());
    assertTrue(run.out().contains("median"), run.out());
    assertTrue(run.out().contains("Gflop/s"), run.out());
  }
}
