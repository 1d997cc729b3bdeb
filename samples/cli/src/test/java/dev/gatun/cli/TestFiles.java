package dev.gatun.cli;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.json.Json;
import dev.gatun.models.pipeline.BundledModels;
import dev.gatun.models.pipeline.Families;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/** Checkpoints that take no room, or little. */
final class TestFiles {
  private TestFiles() {}

  /** The keys and shapes of a published network. */
  static SequencedMap<String, Shape> published(String preset) {
    NetworkConfig config = Families.preset(preset).orElseThrow().config();
    return config.stateDict();
  }

  /** A safetensors file of which only the header is written; the numbers are a hole of zeros. */
  static Path sparse(Path file, SequencedMap<String, Shape> tensors) throws IOException {
    return sparse(file, tensors, Map.of());
  }

  /** The same with metadata. */
  static Path sparse(Path file, SequencedMap<String, Shape> tensors, Map<String, String> metadata)
      throws IOException {
    long offset = 0;
    var members = new LinkedHashMap<String, String>();
    if (!metadata.isEmpty()) {
      members.put("__metadata__", Json.object(metadata).toString());
    }
    for (var entry : tensors.entrySet()) {
      long end = offset + entry.getValue().size() * Float.BYTES;
      members.put(
          entry.getKey(),
          "{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
              .formatted(entry.getValue().toString().replace(" ", ""), offset, end));
      offset = end;
    }
    var header =
        members.entrySet().stream()
            .map(entry -> "\"" + entry.getKey() + "\":" + entry.getValue())
            .collect(Collectors.joining(",", "{", "}"));
    header += " ".repeat(-header.length() & 7);
    byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
    try (var channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      var length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(bytes.length);
      channel.write(length.flip());
      channel.write(ByteBuffer.wrap(bytes));
      channel.write(ByteBuffer.allocate(1), 8 + bytes.length + offset - 1);
    }
    return file;
  }

  /** A bundled model as a file, with other metadata. */
  static Path bundled(String model, Path file, Map<String, String> changes) throws IOException {
    var tensors = new LinkedHashMap<String, Tensor>();
    try (var bundled = BundledModels.open(model)) {
      var checkpoint = bundled.checkpoint();
      var metadata = new LinkedHashMap<>(checkpoint.metadata());
      metadata.putAll(changes);
      for (var info : checkpoint.tensors().values()) {
        tensors.put(
            info.key(), checkpoint.read(info.key(), t -> Tensor.of(t.shape(), t.toFloats())));
      }
      SafetensorsWriter.write(file, metadata, tensors);
    } finally {
      tensors.values().forEach(Tensor::close);
    }
    return file;
  }

  /** Tensors in two files with an index. */
  static Path sharded(Path folder, Map<String, Tensor> first, Map<String, Tensor> second)
      throws IOException {
    var one = "model-00001-of-00002.safetensors";
    var two = "model-00002-of-00002.safetensors";
    SafetensorsWriter.write(folder.resolve(one), Map.of(), first);
    SafetensorsWriter.write(folder.resolve(two), Map.of(), second);
    var map = new LinkedHashMap<String, String>();
    first.keySet().forEach(key -> map.put(key, one));
    second.keySet().forEach(key -> map.put(key, two));
    var index =
        map.entrySet().stream()
            .map(entry -> "\"%s\": \"%s\"".formatted(entry.getKey(), entry.getValue()))
            .collect(Collectors.joining(", ", "{\"weight_map\": {", "}}"));
    Files.writeString(folder.resolve("model.safetensors.index.json"), index);
    return folder;
  }

  /** Lines of text that a command printed under a label. */
  static List<String> labelled(String out, String label) {
    return out.lines()
        .filter(line -> line.startsWith(label + " "))
        .map(line -> line.substring(label.length()).strip())
        .toList();
  }
}
