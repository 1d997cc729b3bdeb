package dev.gatun.models.checkpoint;

import static dev.gatun.models.checkpoint.SafetensorsBytes.file;
import static dev.gatun.models.checkpoint.SafetensorsBytes.header;
import static dev.gatun.models.checkpoint.SafetensorsBytes.tensor;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("directories of weights")
class CheckpointFolderTest {
  @TempDir Path dir;

  @Test
  @DisplayName("of a training of U-ViT, the averaged weights are opened")
  void training() throws IOException {
    var step = Files.createDirectory(dir.resolve("500000.ckpt"));
    try (var weight = Tensor.of(Shape.of(2), 3f, 4f)) {
      Files.write(
          step.resolve("nnet_ema.pth"), TestFiles.trained(Map.of("norm.weight", weight), "x"));
    }
    Files.write(step.resolve("nnet.pth"), new byte[100]);
    Files.write(step.resolve("optimizer.pth"), new byte[100]);
    try (var checkpoint = Checkpoint.open(step)) {
      assertEquals("nnet_ema.pth", checkpoint.name());
      assertEquals(4, Refusal.number(checkpoint, "norm.weight", 1));
    }
  }

  @Test
  @DisplayName("of Hugging Face, safetensors go before a pickle, and shards before one file")
  void huggingFace() throws IOException {
    Files.write(dir.resolve("pytorch_model.bin"), new byte[100]);
    Refusal.sentence(
        assertThrows(CheckpointException.class, () -> Checkpoint.open(dir)),
        "pytorch_model.bin",
        "is neither safetensors");
    var shard = file(header(tensor("a", "U8", "[1]", "[0,1]")), new byte[] {7});
    Files.write(dir.resolve("model.safetensors"), shard);
    try (var checkpoint = Checkpoint.open(dir)) {
      assertEquals("model.safetensors", checkpoint.name());
    }
    Files.writeString(
        dir.resolve("model.safetensors.index.json"),
        "{\"weight_map\": {\"a\": \"model.safetensors\"}}");
    try (var checkpoint = Checkpoint.open(dir)) {
      assertEquals("model.safetensors.index.json", checkpoint.name());
    }
  }

  @Test
  @DisplayName("of a pipeline of diffusers, the network's is opened, a pickle too")
  void pipeline() throws IOException {
    var transformer = Files.createDirectory(dir.resolve("transformer"));
    assertEquals(dir, CheckpointFolder.resolve(dir));
    try (var weight = Tensor.of(Shape.of(2), 3f, 4f)) {
      var pickle = transformer.resolve("diffusion_pytorch_model.bin");
      Files.write(pickle, TestFiles.trained(Map.of("norm.weight", weight), "x"));
      for (var folder : new Path[] {dir, transformer, pickle}) {
        assertEquals(pickle, CheckpointFolder.resolve(folder));
        try (var checkpoint = Checkpoint.open(folder)) {
          assertEquals(4, Refusal.number(checkpoint, "norm.weight", 1));
        }
      }
    }
    var shard = file(header(tensor("a", "U8", "[1]", "[0,1]")), new byte[] {7});
    Files.write(transformer.resolve("diffusion_pytorch_model.safetensors"), shard);
    try (var checkpoint = Checkpoint.open(dir)) {
      assertEquals("diffusion_pytorch_model.safetensors", checkpoint.name());
    }
  }

  @Test
  @DisplayName("without any of them, a sentence names them")
  void none() throws IOException {
    Files.createDirectory(dir.resolve("nnet_ema.pth"));
    Refusal.refused(dir, "is a directory without", "nnet_ema.pth", "name a file in it");
  }
}
