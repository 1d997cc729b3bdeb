package dev.gatun.models.clip;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.RandomParameters;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From prompts to hidden states, with made-up weights and the tokenizer as published. */
class ClipTextTest {
  private static final String DESCRIPTION =
      "{\"text_config\": {\"hidden_size\": 16, \"intermediate_size\": 32,"
          + " \"num_hidden_layers\": 2, \"num_attention_heads\": 2}}";
  private static final ClipTextConfig CONFIG =
      new ClipTextConfig(49408, 16, 32, 2, 2, 77, Activation.QUICK_GELU, 1e-5);

  @TempDir Path dir;

  @BeforeEach
  void folder() throws IOException {
    for (var file : List.of("vocab.json", "merges.txt")) {
      Files.write(dir.resolve(file), GoldenFiles.bytes("/goldens/clip-tokenizer/" + file));
    }
    Files.writeString(dir.resolve("config.json"), DESCRIPTION);
  }

  private static void write(Path file, ClipTextConfig config) throws IOException {
    var tensors = new LinkedHashMap<String, Tensor>();
    config
        .stateDict()
        .forEach(
            (key, shape) ->
                tensors.put(
                    key,
                    new RandomParameters()
                        .read(key, shape, t -> Tensor.of(t.shape(), t.toFloats()))));
    tensors.put("logit_scale", Tensor.of(Shape.of(1), 1f));
    SafetensorsWriter.write(file, Map.of(), tensors);
    tensors.values().forEach(Tensor::close);
  }

  @Test
  void promptsBecomeHiddenStates() throws IOException {
    write(dir.resolve("model.safetensors"), CONFIG);
    var prompts = new ArrayList<>(List.of("a photo of a cat", "", "it's 2023!"));
    while (prompts.size() < 19) {
      prompts.add("a");
    }
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var text = ClipText.open(dir, backend);
        var all = text.encode(prompts);
        var none = text.encode(List.of("  "));
        var encoder = new ClipTextEncoder(CONFIG, new RandomParameters(), backend)) {
      assertEquals(CONFIG, text.config());
      assertEquals(Shape.of(19, 77, 16), all.shape());
      long[] ids = new long[77];
      Arrays.fill(ids, 49407);
      long[] cat = {49406, 320, 1125, 539, 320, 2368};
      System.arraycopy(cat, 0, ids, 0, cat.length);
      try (var tensor = Tensor.of(Shape.of(1, 77), ids);
          var expected = encoder.evaluate(Map.of("ids", tensor)).get("last_hidden_state")) {
        assertArrayEquals(expected.toFloats(), all.slice(0, 1).toFloats());
      }
      assertArrayEquals(none.toFloats(), all.slice(1, 2).toFloats(), "no text");
      assertArrayEquals(all.slice(3, 4).toFloats(), all.slice(18, 19).toFloats(), "over batches");
    }
  }

  @Test
  void whatIsMissingIsSaid() throws IOException {
    refused(dir.getFileName() + ": is a directory without");
    write(dir.resolve("model.safetensors"), CONFIG);
    Files.delete(dir.resolve("config.json"));
    refused("model.safetensors: a CLIP text encoder of depth 2 and width 16 is none");
    Files.writeString(dir.resolve("config.json"), DESCRIPTION.replace("32", "48"));
    refused("model.safetensors: tensor text_model.encoder.layers.0.mlp.fc1.weight is [32, 16]");
    Files.writeString(
        dir.resolve("config.json"), DESCRIPTION.replace("layers\": 2", "layers\": 3"));
    refused("tensor text_model.encoder.layers.2.layer_norm1.weight is missing");
    Files.writeString(dir.resolve("config.json"), "[]");
    refused("config.json: describes no text encoder");
    Files.writeString(dir.resolve("config.json"), "{");
    refused("config.json: is not sound JSON");
    Files.writeString(dir.resolve("config.json"), "{\"hidden_size\": 0}");
    refused("model.safetensors: key 'num_attention_heads' is missing");
    Files.delete(dir.resolve("vocab.json"));
    refused(dir.getFileName() + ": has no tokenizer");
  }

  @Test
  void aTokenizerOfAnotherModelIsRefused() throws IOException {
    write(
        dir.resolve("model.safetensors"),
        new ClipTextConfig(49407, 16, 32, 2, 2, 77, Activation.QUICK_GELU, 1e-5));
    Files.writeString(
        dir.resolve("config.json"),
        DESCRIPTION.replace("\"hidden_size\"", "\"vocab_size\": 49407, \"hidden_size\""));
    refused("model.safetensors: has 49407 tokens, the tokenizer beside it gives ids up to 49407");
  }

  @Test
  void aFileThatIsNoTextEncoder() throws IOException {
    Files.write(
        dir.resolve("model.safetensors"),
        GoldenFiles.bytes("/goldens/uvit-tiny.model.safetensors"));
    refused("model.safetensors: holds no CLIP text encoder");
  }

  private void refused(String fact) {
    try (var backend = Backend.open(Device.CPU, "reference", 1)) {
      var e = assertThrows(CheckpointException.class, () -> ClipText.open(dir, backend).close());
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }
}
