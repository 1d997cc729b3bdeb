package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.diffusion.Allocated;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Descriptions that no network has: each is refused in a sentence that names file and key, before
 * anything of the described size is allocated.
 */
class HostileDescriptionTest {
  private static final String SOUND =
      "{\"model\": \"dit\", \"input_size\": 8, \"patch_size\": 2, \"in_channels\": 4,"
          + " \"hidden_size\": 96, \"depth\": 3, \"num_heads\": 4, \"mlp_ratio\": 4.0,"
          + " \"num_classes\": 10, \"class_dropout_prob\": 0.1, \"learn_sigma\": true}";
  private static final String DIFFUSERS =
      "{\"_class_name\": \"DiTTransformer2DModel\", \"num_attention_heads\": 4,"
          + " \"attention_head_dim\": 24, \"sample_size\": 8, \"num_layers\": 3}";

  @TempDir Path dir;

  private static Stream<Arguments> descriptions() {
    return Stream.of(
        change("depth", "1000000000", "depth is 1000000000"),
        change("depth", "-3", "depth is -3"),
        change("depth", "3.5", "'depth' is 3.5"),
        change("depth", "99999999999", "'depth' is 99999999999"),
        change("depth", "\"3\"", "'depth' is a string"),
        change("depth", "900", "tensor blocks."),
        change("num_heads", "0", "num_heads is 0"),
        change("num_heads", "5", "hidden_size 96 is not a multiple of num_heads 5"),
        change("patch_size", "0", "patch_size is 0"),
        change("patch_size", "3", "input_size 8 is not a multiple of patch_size 3"),
        change("in_channels", "5", "x_embedder.proj.weight", "[96, 4, 2, 2]", "[96, 5, 2, 2]"),
        change("in_channels", "60000", "x_embedder.proj.weight", "[96, 60000, 2, 2]"),
        change("input_size", "0", "input_size is 0"),
        change("input_size", "65536", "makes more than 65536 tokens"),
        change("input_size", "2147483647", "input_size is 2147483647"),
        change("hidden_size", "2147483647", "hidden_size is 2147483647"),
        change("hidden_size", "65536", "the description says [1, 16, 65536]"),
        change("hidden_size", "98", "hidden_size 98 is not a multiple of"),
        change("mlp_ratio", "1e400", "'mlp_ratio' is 1e400"),
        change("mlp_ratio", "NaN", "is not sound JSON"),
        change("mlp_ratio", "1e-9", "mlp_ratio 1.0E-9"),
        change("mlp_ratio", "1e9", "mlp_ratio is 1.0E9"),
        change("mlp_ratio", "-4", "mlp_ratio is -4.0"),
        change("num_classes", "0", "num_classes is 0"),
        change("num_classes", "2147483647", "num_classes is 2147483647"),
        change("num_classes", "11", "y_embedder.embedding_table.weight is [11, 96]"),
        change("class_dropout_prob", "0", "y_embedder.embedding_table.weight is [11, 96]"),
        change("class_dropout_prob", "[]", "'class_dropout_prob' is an array"),
        change("learn_sigma", "false", "final_layer.linear.weight is [32, 96]"),
        change("learn_sigma", "1", "'learn_sigma' is 1, expected true or false"),
        change("model", "\"dall-e\"", "'model' is 'dall-e'", "it knows 'dit'"),
        change("model", "7", "'model' is 7, expected a string"),
        Arguments.of(
            SOUND.replace("num_heads", "heads"), new String[] {"key 'num_heads' is missing"}),
        Arguments.of("{}", new String[] {"'model' is missing"}),
        Arguments.of("[1, 2]", new String[] {"is an array, expected an object"}),
        Arguments.of("7", new String[] {"is a number, expected an object"}),
        Arguments.of("", new String[] {"is not sound JSON"}),
        Arguments.of("[".repeat(10_000), new String[] {"is not sound JSON"}),
        Arguments.of("{\"a\": [" + "0,".repeat(70_000) + "0]}", new String[] {"too many values"}),
        Arguments.of("{\"_class_name\": \"Flux\"}", new String[] {"'_class_name' is 'Flux'"}),
        diffusers("\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "is 0"),
        diffusers("\"num_attention_heads\": 4", "\"num_attention_heads\": -4", "is -4"),
        diffusers("_dim\": 24", "_dim\": 2147483647", "'attention_head_dim' is 2147483647"),
        diffusers("_dim\": 24", "_dim\": 20000", "hidden_size is 80000"),
        diffusers("layers\": 3", "layers\": 2147483647", "depth is 2147483647"));
  }

  private static Arguments change(String key, String value, String... facts) {
    var changed = SOUND.replaceAll("\"" + key + "\": [^,}]+", "\"" + key + "\": " + value);
    return Arguments.of(changed, facts);
  }

  private static Arguments diffusers(String from, String to, String... facts) {
    return Arguments.of(DIFFUSERS.replace(from, to), facts);
  }

  @ParameterizedTest
  @MethodSource("descriptions")
  void throughAGivenFile(String json, String[] facts) throws IOException {
    var given = Files.writeString(dir.resolve("net.json"), json);
    try (var checkpoint = GoldenFiles.open("dit-tiny.model.safetensors")) {
      refused(checkpoint, given, facts);
    }
  }

  @ParameterizedTest
  @MethodSource("descriptions")
  void throughItsOwnMetadata(String json, String[] facts) throws IOException {
    var file = dir.resolve("net.safetensors");
    try (var tiny = GoldenFiles.open("dit-tiny.model.safetensors")) {
      SafetensorsWriter.write(file, Map.of("config", json), GoldenFiles.tensors(tiny));
    }
    try (var checkpoint = Checkpoint.open(file)) {
      refused(checkpoint, null, facts);
    }
  }

  private static void refused(Checkpoint checkpoint, Path given, String... facts) {
    long before = Allocated.bytes();
    var e =
        assertThrows(
            CheckpointException.class,
            () -> {
              var model = ModelFile.recognise(checkpoint, given);
              // a file that lacks tensors is recognised, so that they can be told, but not loaded
              model.load(checkpoint, null);
            });
    long allocated = Allocated.bytes() - before;
    var message = e.getMessage();
    assertTrue(allocated < 32 << 20, allocated + " bytes on the heap for: " + message);
    assertTrue(
        message.matches("(net\\.json|net\\.safetensors|dit-tiny\\.model.*): [^\\n]+"), message);
    assertTrue(message.length() < 400, message);
    for (var fact : facts) {
      assertTrue(message.contains(fact), () -> "'" + fact + "' is not said in: " + message);
    }
  }

  @Test
  void aFileThatIsNoDescription() throws IOException {
    try (var checkpoint = GoldenFiles.open("dit-tiny.model.safetensors")) {
      refused(checkpoint, dir.resolve("net.json"), "cannot be read");
      var large = Files.write(dir.resolve("net.json"), new byte[(1 << 20) + 1]);
      refused(checkpoint, large, "more than 1 MiB");
      Files.delete(large);
      refused(checkpoint, Files.createDirectory(large), "cannot be read");
    }
  }

  @ParameterizedTest
  @MethodSource("trainings")
  void aTrainingThatNobodyCanSample(String key, String json, String[] facts) throws IOException {
    var file = dir.resolve("net.safetensors");
    try (var tiny = GoldenFiles.open("dit-tiny.model.safetensors")) {
      SafetensorsWriter.write(file, Map.of("config", SOUND, key, json), GoldenFiles.tensors(tiny));
    }
    try (var checkpoint = Checkpoint.open(file)) {
      refused(checkpoint, null, facts);
    }
  }

  private static Stream<Arguments> trainings() {
    return Stream.of(
        training("space", "\"sound\"", "'space' is 'sound'"),
        training("time", "\"0..1\"", "'time' is '0..1'"),
        training("schedule", "\"sd\"", "'schedule' is 'sd'", "linear"),
        training("beta_0", "0.2", "'beta_0'", "0.1 and 20"),
        training("steps", "1000000000", "'steps' is 1000000000", "65536"),
        training("steps", "0", "'steps' is 0"),
        training("steps", "10", "'steps' is 10, too few"),
        training("prediction", "\"u\"", "'prediction' is 'u'", "'epsilon'"),
        training("variance", "\"some\"", "'variance' is 'some'"),
        training("scale_factor", "0", "'scale_factor' is 0"),
        training("classifier", "7", "'classifier' is 7"),
        training("clip_denoised", "\"yes\"", "'clip_denoised' is a string"),
        training("guidance", "1e300", "'guidance' is 1.0E300"),
        training("null_class", "11", "'null_class' is 11, expected -1 to 10"),
        Arguments.of("diffusion", "[]", new String[] {"'diffusion' is not an object"}),
        Arguments.of("diffusion", "{", new String[] {"net.safetensors: "}),
        Arguments.of("classes", "{}", new String[] {"'classes' is not an array"}),
        Arguments.of("classes", "[", new String[] {"'classes' is not sound JSON"}),
        Arguments.of("classes", many("\"\""), new String[] {"'classes'", "too many values"}),
        Arguments.of("diffusion", many("0"), new String[] {"'diffusion'", "too many values"}),
        Arguments.of("classes", " ".repeat(5 << 20), new String[] {"'classes' has 5242880 char"}),
        Arguments.of(
            "classes",
            "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]",
            new String[] {"'classes' names 11 classes, the network has 10"}));
  }

  private static String many(String item) {
    return "[" + (item + ",").repeat(1 << 20) + item + "]";
  }

  private static Arguments training(String key, String value, String... facts) {
    return Arguments.of("diffusion", "{\"%s\": %s}".formatted(key, value), facts);
  }
}
