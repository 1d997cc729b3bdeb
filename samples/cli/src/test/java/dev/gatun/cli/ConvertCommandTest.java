package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.dit.DiTFamily;
import dev.gatun.models.json.Json;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code gatun convert}. */
class ConvertCommandTest {
  /** Exact in half precision and in bfloat16, but for the last two. */
  private static final float[] VALUES = {
    0, -0f, 1, -2.5f, 1024, 0x1p-14f, Float.NEGATIVE_INFINITY, 0.1f, 1.0009765f
  };

  @TempDir Path folder;

  private Path out() {
    return folder.resolve("out.safetensors");
  }

  private void convert(Object in, String... more) {
    var line = new ArrayList<>(List.of("convert", in.toString(), out().toString()));
    line.addAll(List.of(more));
    var run = Run.of(line.toArray(String[]::new));
    run.requireDone();
    assertTrue(run.out().startsWith("wrote " + out() + ": "), run.out());
  }

  private void requireFailure(Object in, String said, String... more) {
    var line = new ArrayList<>(List.of("convert", in.toString(), out().toString()));
    line.addAll(List.of(more));
    var run = Run.of(line.toArray(String[]::new));
    assertEquals(Main.FAILED, run.exitCode(), run.out());
    run.requireOneSentence(said);
  }

  private List<String> names() throws IOException {
    try (var files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private Path train() throws IOException {
    var file = folder.resolve("train.pt");
    try (var in = ConvertCommandTest.class.getResourceAsStream("train.pt")) {
      Files.copy(in, file);
    }
    return file;
  }

  /** What {@code torch_save.py} wrote: of the wrapper the averaged weights, twice the others. */
  @Test
  void torchBecomesSafetensorsWithTheSameKeysAndNumbers() throws IOException {
    convert(train());
    try (var found = Checkpoint.open(out())) {
      assertEquals("safetensors", found.format());
      assertEquals(Set.of("w", "w_t", "half", "ids", "scalar"), found.tensors().keySet());
      float[] w = found.read("w", Tensor::toFloats);
      float[] transposed = found.read("w_t", Tensor::toFloats);
      for (int i = 0; i < 12; i++) {
        assertEquals(2 * i, w[i]);
        // w_t is a view of the same storage with other strides
        assertEquals(2 * (i / 3 + i % 3 * 4), transposed[i]);
      }
      assertEquals(Shape.of(4, 3), found.tensors().get("w_t").shape());
      assertEquals(DType.F16, found.tensors().get("half").dtype());
      assertArrayEquals(new float[] {0.5f, -2}, found.read("half", Tensor::toFloats));
      assertEquals(DType.I64, found.tensors().get("ids").dtype());
      assertEquals(-8L, found.<Long>read("ids", tensor -> tensor.getLong(0)));
      assertEquals(0, found.tensors().get("scalar").shape().rank());
      assertEquals("DiT-XL/2", found.metadata().get("args.model"));
      assertEquals("256", found.metadata().get("args.image_size"));
    }
  }

  @Test
  void shardsBecomeOneFile() throws IOException {
    try (var a = Tensor.of(Shape.of(2), 1f, 2f);
        var b = Tensor.of(Shape.of(1, 2), 3L, 4L)) {
      TestFiles.sharded(folder, Map.of("a", a), Map.of("b", b));
    }
    convert(folder);
    requireShards();
    Files.delete(out());
    convert(folder.resolve("model.safetensors.index.json"));
    requireShards();
  }

  private void requireShards() throws IOException {
    try (var found = Checkpoint.open(out())) {
      assertEquals(Set.of("a", "b"), found.tensors().keySet());
      assertArrayEquals(new float[] {1, 2}, found.read("a", Tensor::toFloats));
      assertEquals(4L, found.<Long>read("b", tensor -> tensor.getLong(1)));
    }
  }

  @ParameterizedTest
  @CsvSource({"f32, F32, 0", "F16, F16, 1024", "bf16, BF16, 128"})
  void floatsAreRoundedAndWholeNumbersStay(String option, DType dtype, int ulps)
      throws IOException {
    var in = folder.resolve("in.safetensors");
    try (var floats = Tensor.of(Shape.of(3, 3), VALUES);
        var longs = Tensor.of(Shape.of(2), Long.MAX_VALUE, -5L);
        var small = Tensor.of(Shape.of(2), 7, -7)) {
      var tensors = new LinkedHashMap<String, Tensor>();
      tensors.put("floats", floats);
      tensors.put("longs", longs);
      tensors.put("small", small);
      SafetensorsWriter.write(in, Map.of("about", "a test", "π", "\"ü\"\n"), tensors);
    }
    convert(in, "--dtype", option);
    try (var found = Checkpoint.open(out())) {
      assertEquals(dtype, found.tensors().get("floats").dtype());
      assertEquals(Shape.of(3, 3), found.tensors().get("floats").shape());
      float[] values = found.read("floats", Tensor::toFloats);
      for (int i = 0; i < VALUES.length; i++) {
        float most = ulps == 0 || i < 7 ? 0 : VALUES[i] / ulps / 2;
        assertEquals(VALUES[i], values[i], most, "value " + i);
      }
      assertEquals(DType.I64, found.tensors().get("longs").dtype());
      assertEquals(Long.MAX_VALUE, found.<Long>read("longs", tensor -> tensor.getLong(0)));
      assertEquals(-7L, found.<Long>read("small", tensor -> tensor.getLong(1)));
      assertEquals("a test", found.metadata().get("about"));
      assertEquals("\"ü\"\n", found.metadata().get("π"));
    }
    // and on to each of the others
    var again = folder.resolve("again.safetensors");
    for (var other : List.of("f32", "f16", "bf16")) {
      Run.of("convert", out().toString(), again.toString(), "--dtype", other).requireDone();
      try (var found = Checkpoint.open(again)) {
        float[] values = found.read("floats", Tensor::toFloats);
        assertArrayEquals(Arrays.copyOf(VALUES, 7), Arrays.copyOf(values, 7), other);
      }
    }
  }

  @Test
  void whatHalfPrecisionCannotHoldIsRefused() throws IOException {
    var in = folder.resolve("in.safetensors");
    try (var large = Tensor.of(Shape.of(2), 1f, -70000f);
        var small = Tensor.of(Shape.of(1), 1f)) {
      SafetensorsWriter.write(in, Map.of(), Map.of("large", large, "small", small));
    }
    Files.writeString(out(), "mine");
    requireFailure(in, "tensor large holds -70000.0, more than f16 can", "--dtype", "f16");
    assertEquals("mine", Files.readString(out()), "the target is kept");
    assertEquals(List.of("in.safetensors", "out.safetensors"), names());
    convert(in, "--dtype", "bf16");
  }

  @ParameterizedTest
  @ValueSource(strings = {"dit-fruit", "uvit-digits", "diffit-digits", "adm-digits"})
  void aConvertedModelDrawsTheSamePicture(String model) throws IOException {
    convert(model, "--dtype", "f32");
    assertArrayEquals(picture(model), picture(out().toString()));
    var same = folder.resolve("same.safetensors");
    Run.of("convert", out().toString(), same.toString(), "--dtype", "bf16").requireDone();
    // bundled are bfloat16, or what it is rounded to
    int[] expected = picture(model);
    int[] found = picture(same.toString());
    int most = 0;
    for (int i = 0; i < expected.length; i++) {
      most = Math.max(most, Math.abs((expected[i] & 255) - (found[i] & 255)));
    }
    assertTrue(most <= 24, model + " in bf16 is off by " + most + " levels");
  }

  private int[] picture(String model) throws IOException {
    var file = folder.resolve("picture.png").toFile();
    Run.of("generate", model, "--count", "1", "--steps", "2", "--out", file.toString())
        .requireDone();
    var image = ImageIO.read(file);
    return image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
  }

  /** A file may be converted onto itself. */
  @Test
  void theSourceMayBeTheTarget() throws IOException {
    convert("adm-digits", "--dtype", "f32");
    int[] before = picture(out().toString());
    convert(out(), "--dtype", "f32");
    assertArrayEquals(before, picture(out().toString()));
    assertEquals(List.of("out.safetensors", "picture.png"), names());
  }

  /** The authors' file name, which is lost, tells what no tensor tells. */
  @Test
  void whatWasKnownIsKnownOfTheNewFile() throws IOException {
    var in = TestFiles.sparse(folder.resolve("cifar10_uvit_small.pth"), small());
    convert(in, "--dtype", "f16");
    try (var found = Checkpoint.open(out())) {
      assertEquals("cifar10_uvit_small", found.metadata().get("preset"));
    }
    var json = Run.of("info", out().toString(), "--json").json();
    assertEquals("cifar10_uvit_small", json.string("preset"));
    assertEquals("vp", json.object("training").string("schedule"));
    requireFailure(in, "imagenet64_uvit_mid has", "--preset", "imagenet64_uvit_mid");
    requireFailure(in, "there is no such preset", "--preset", "cifar11");
  }

  private static SequencedMap<String, Shape> small() {
    return TestFiles.published("cifar10_uvit_small");
  }

  @Test
  void aDescriptionGoesIntoTheFile() throws IOException {
    convert("dit-fruit");
    var bare = folder.resolve("bare.safetensors");
    var config = folder.resolve("fruit.json");
    try (var checkpoint = Checkpoint.open(out())) {
      var infos = checkpoint.tensors().values();
      try (var writer = SafetensorsWriter.create(bare, Map.of(), infos)) {
        for (var info : infos) {
          checkpoint.read(
              info.key(),
              tensor -> {
                try {
                  writer.write(info.key(), tensor);
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
                return null;
              });
        }
        writer.finish();
      }
      Files.writeString(config, checkpoint.metadata().get("config"));
    }
    convert(bare, "--config", config.toString());
    var json = Run.of("info", out().toString(), "--json").json();
    assertEquals("its own metadata", json.string("origin"));
    assertEquals(2_487_136, json.integer("parameters"));
    Files.writeString(config, "{\"model\": \"dit\", \"depth\": 3}");
    requireFailure(bare, "bare.safetensors: ", "--config", config.toString());
    Files.writeString(config, "depth 3");
    requireFailure(bare, "fruit.json: is not sound JSON", "--config", config.toString());
    assertTrue(Files.size(out()) > 1000, "the target is kept");
  }

  /** diffusers describes a network beside its tensors, where the new file may not lie. */
  @Test
  void theDescriptionBesideAFileOfDiffusersGoesIntoIt() throws IOException {
    var beside = Files.createDirectory(folder.resolve("transformer"));
    Files.writeString(
        beside.resolve("config.json"),
        """
        {"_class_name": "DiTTransformer2DModel", "num_layers": 2, "out_channels": 8,
         "num_attention_heads": 4, "attention_head_dim": 8, "sample_size": 8}
        """);
    var family = new DiTFamily();
    var described =
        family.describe(
            (Json.JsonObject) Json.parse(Files.readString(beside.resolve("config.json"))));
    var known = new LinkedHashMap<String, Shape>();
    known.put(
        "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight", Shape.of(1001, 32));
    var layout = family.layout(known).orElseThrow();
    TestFiles.sparse(
        beside.resolve("diffusion_pytorch_model.safetensors"), layout.stateDict(described));
    convert(beside);
    var json = Run.of("info", out().toString(), "--json").json();
    assertEquals("its own metadata", json.string("origin"));
    assertEquals(described.parameters(), json.integer("parameters"));
    assertTrue(json.array("missing").items().isEmpty(), json.toString());
    assertEquals(Files.readString(beside.resolve("config.json")), metadata().get("config"));
  }

  private Map<String, String> metadata() throws IOException {
    try (var found = Checkpoint.open(out())) {
      return found.metadata();
    }
  }

  @Test
  void nonsenseIsRefusedAndTheTargetKept() throws IOException {
    Files.writeString(out(), "mine");
    var garbage = folder.resolve("garbage.pt");
    Files.writeString(garbage, "no checkpoint at all, but long enough for a header");
    requireFailure(garbage, "garbage.pt: ");
    requireFailure(folder.resolve("nothing.pt"), "nothing.pt: there is no such file");
    requireFailure("plum", "plum: there is neither a file nor a bundled model of that name");
    convertTruncated();
    assertEquals("mine", Files.readString(out()));
    assertEquals(List.of("cut.safetensors", "garbage.pt", "out.safetensors"), names());
    var run = Run.of("convert", "dit-fruit", folder.toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("is a folder, expected a file");
    run = Run.of("convert", "dit-fruit", folder.resolve("no/x.safetensors").toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("make it first");
  }

  private void convertTruncated() throws IOException {
    var whole = folder.resolve("cut.safetensors");
    try (var tensor = Tensor.allocate(DType.F32, Shape.of(100))) {
      SafetensorsWriter.write(whole, Map.of(), Map.of("x", tensor));
    }
    byte[] bytes = Files.readAllBytes(whole);
    Files.write(whole, Arrays.copyOf(bytes, bytes.length - 8));
    requireFailure(whole, "cut.safetensors: ");
  }
}
