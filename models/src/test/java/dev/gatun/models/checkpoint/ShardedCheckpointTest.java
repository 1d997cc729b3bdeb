package dev.gatun.models.checkpoint;

import static dev.gatun.models.checkpoint.SafetensorsBytes.file;
import static dev.gatun.models.checkpoint.SafetensorsBytes.header;
import static dev.gatun.models.checkpoint.SafetensorsBytes.tensor;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("14 checkpoints in shards")
class ShardedCheckpointTest {
  private static final String INDEX = "model.safetensors.index.json";

  @TempDir Path root;
  Path dir;

  @BeforeEach
  void shards() throws IOException {
    dir = Files.createDirectory(root.resolve("model"));
    Files.write(dir.resolve("1.safetensors"), shard("a", 1));
    Files.write(dir.resolve("2.safetensors"), shard("b", 2));
    Files.write(root.resolve("outside.safetensors"), shard("b", 3));
  }

  private static byte[] shard(String key, int value) {
    return file(header(tensor(key, "U8", "[1]", "[0,1]")), new byte[] {(byte) value});
  }

  private Path index(String weightMap) throws IOException {
    return Files.writeString(
        dir.resolve(INDEX),
        "{\"metadata\": {\"total_size\": 2}, \"weight_map\": {" + weightMap + "}}");
  }

  private void refused(String weightMap, String... facts) throws IOException {
    Refusal.refused(index(weightMap), facts);
  }

  @Test
  @DisplayName("an index and its directory open as one")
  void honest() throws IOException {
    var index = index("\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"");
    for (var file : List.of(index, dir)) {
      try (var checkpoint = Checkpoint.open(file)) {
        assertEquals(List.of("a", "b"), List.copyOf(checkpoint.tensors().keySet()));
        assertEquals(INDEX, checkpoint.name());
        assertEquals("safetensors, 2 shards", checkpoint.format());
        assertEquals(2, Refusal.number(checkpoint, "b", 0));
      }
    }
  }

  @Test
  @DisplayName("links as in the cache of huggingface_hub are beside each other")
  void cache() throws IOException {
    var blobs = Files.createDirectory(root.resolve("blobs"));
    var snapshot = Files.createDirectories(root.resolve("snapshots/0123"));
    var index = index("\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"");
    int blob = 0;
    for (var name : List.of(INDEX, "1.safetensors", "2.safetensors")) {
      var target = Files.move(dir.resolve(name), blobs.resolve("sha" + blob++));
      Files.createSymbolicLink(snapshot.resolve(name), snapshot.relativize(target));
    }
    try (var checkpoint = Checkpoint.open(snapshot)) {
      assertEquals(2, checkpoint.tensors().size());
    }
    assertEquals(INDEX, index.getFileName().toString());
  }

  @Test
  @DisplayName("a shard that is a path, or a link out of the directory")
  void paths() throws IOException {
    var outside = root.resolve("outside.safetensors");
    refused("\"b\": \"../outside.safetensors\"", "lists the shard ../outside", "plain file name");
    refused("\"b\": \"" + outside + "\"", "not a plain file name");
    refused("\"b\": \"..\"", "not a plain file name");
    refused("\"b\": \"\"", "not a plain file name");
    refused("\"b\": \"a\\u0000b\"", "lists the shard a\\u0000b", "not a plain file name");
    refused("\"b\": \"x\\\\y\"", "not a plain file name");
    Files.createSymbolicLink(dir.resolve("link.safetensors"), outside);
    refused(
        "\"b\": \"link.safetensors\"", "link.safetensors, which is a link to another directory");
  }

  @Test
  @DisplayName("a shard or a tensor that is missing, twice, or elsewhere")
  void inconsistent() throws IOException {
    refused("\"c\": \"3.safetensors\"", "lists the shard 3.safetensors, which is not beside it");
    Files.write(dir.resolve("3.safetensors"), shard("a", 4));
    refused(
        "\"a\": \"1.safetensors\", \"c\": \"3.safetensors\"",
        "tensor a is both in 1.safetensors and in 3.safetensors");
    refused(
        "\"a\": \"1.safetensors\", \"c\": \"1.safetensors\"",
        "tensor c is not in 1.safetensors, as the index says");
    refused(
        "\"c\": \"2.safetensors\"", "tensor b is in 2.safetensors, which the index does not say");
    refused("\"a\": 7", "tensor a is mapped to a number");
    Files.write(dir.resolve("4.safetensors"), TorchBytes.zip());
    var index = index("\"w\": \"4.safetensors\"");
    var e = assertThrows(CheckpointException.class, () -> Checkpoint.open(index));
    Refusal.sentence(e, "4.safetensors", "is not a safetensors file");
  }

  @Test
  @DisplayName("JSON that is no index, and places where nothing is")
  void noIndex() throws IOException {
    Refusal.refused(Files.writeString(dir.resolve("config.json"), "{\"depth\": 28}"), "weight_map");
    Refusal.refused(
        Files.writeString(dir.resolve("bad.json"), "{\"depth\": 28"), "'}' is expected");
    Refusal.refused(dir, "is a directory without model.safetensors.index.json");
    Refusal.refused(dir.resolve("none.pt"), "there is no such file");
  }
}
