package dev.gatun.models.checkpoint;

import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a safetensors file tensor by tensor, so that it never has to be in memory as a whole.
 *
 * <pre>{@code
 * try (var writer = SafetensorsWriter.create(file, metadata, infos)) {
 *   for (var info : infos) {
 *     writer.write(info.key(), tensor);
 *   }
 *   writer.finish();
 * }
 * }</pre>
 *
 * <p>The bytes go to a file beside the target, which takes its place in {@link #finish}; what was
 * there before stays until then, and for good if anything fails. The data begin at a multiple of 8
 * bytes and wide types come first, so that every element is aligned.
 */
public final class SafetensorsWriter implements AutoCloseable {
  private static final int CHUNK = 1 << 20;

  private final Path target;
  private final PartialFile partial;
  private final FileChannel channel;
  private final Map<String, TensorInfo> missing = new LinkedHashMap<>();
  private final Map<String, Long> offsets = new HashMap<>();

  private SafetensorsWriter(Path target) throws IOException {
    this.target = target;
    PartialFile.removeLeftovers(target);
    this.partial = PartialFile.of(target);
    this.channel = partial.open();
  }

  /**
   * Begins a file.
   *
   * @param target where it will be; a file that is there is replaced
   * @param metadata {@code __metadata__}, which may be empty
   * @param tensors all that will be written
   * @throws IllegalArgumentException if a key occurs twice, or is none that a reader takes
   */
  public static SafetensorsWriter create(
      Path target, Map<String, String> metadata, Collection<TensorInfo> tensors)
      throws IOException {
    // Stable, so tensors of one width keep their order.
    var sorted = new ArrayList<>(tensors);
    sorted.sort(Comparator.comparingInt(info -> -info.dtype().bytes()));
    var offsets = new HashMap<String, Long>();
    byte[] header = header(target, metadata, sorted, offsets);
    var writer = new SafetensorsWriter(target);
    try {
      var length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length);
      writer.put(length.flip(), 0);
      writer.put(ByteBuffer.wrap(header), 8);
      tensors.forEach(info -> writer.missing.put(info.key(), info));
      offsets.forEach((key, offset) -> writer.offsets.put(key, 8 + header.length + offset));
      return writer;
    } catch (IOException | RuntimeException | Error e) {
      writer.close();
      throw e;
    }
  }

  /** Writes a file in one call. */
  public static void write(Path target, Map<String, String> metadata, Map<String, Tensor> tensors)
      throws IOException {
    var infos = new ArrayList<TensorInfo>();
    tensors.forEach(
        (key, tensor) -> infos.add(new TensorInfo(key, tensor.dtype(), tensor.shape())));
    try (var writer = create(target, metadata, infos)) {
      for (var entry : tensors.entrySet()) {
        writer.write(entry.getKey(), entry.getValue());
      }
      writer.finish();
    }
  }

  static byte[] header(
      Path target,
      Map<String, String> metadata,
      List<TensorInfo> tensors,
      Map<String, Long> offsets) {
    var members = new LinkedHashMap<String, Json>();
    if (!metadata.isEmpty()) {
      members.put(Safetensors.METADATA, Json.object(metadata));
    }
    long offset = 0;
    for (var info : tensors) {
      requireKey(target, info.key());
      long end = Math.addExact(offset, info.bytes());
      if (members.put(info.key(), describe(info, offset, end)) != null) {
        throw new IllegalArgumentException(
            target + ": tensor " + CheckpointException.show(info.key()) + " is declared twice");
      }
      offsets.put(info.key(), offset);
      offset = end;
    }
    byte[] json = new JsonObject(members).toString().getBytes(StandardCharsets.UTF_8);
    byte[] header = Arrays.copyOf(json, Math.ceilDiv(json.length, 8) * 8);
    Arrays.fill(header, json.length, header.length, (byte) ' ');
    if (header.length > Safetensors.MAX_HEADER) {
      throw new IllegalArgumentException(
          target
              + ": the header would have "
              + header.length
              + " bytes, the format allows "
              + Safetensors.MAX_HEADER);
    }
    return header;
  }

  private static void requireKey(Path target, String key) {
    if (key.isEmpty()
        || key.length() > Source.MAX_KEY
        || key.equals(Safetensors.METADATA)
        || !StandardCharsets.UTF_8.newEncoder().canEncode(key)) {
      throw new IllegalArgumentException(
          target + ": a tensor cannot be called '" + CheckpointException.show(key) + "'");
    }
  }

  private static JsonObject describe(TensorInfo info, long begin, long end) {
    var members = new LinkedHashMap<String, Json>();
    members.put("dtype", new JsonString(info.dtype().name()));
    members.put("shape", array(Arrays.stream(info.shape().dims()).asLongStream().toArray()));
    members.put("data_offsets", array(begin, end));
    return new JsonObject(members);
  }

  private static JsonArray array(long... values) {
    return new JsonArray(Arrays.stream(values).<Json>mapToObj(JsonNumber::of).toList());
  }

  /**
   * Writes a tensor; each that was declared once, in any order.
   *
   * @param tensor in host memory, of the declared type and shape; may be a view on some columns
   * @throws IllegalArgumentException if it is another than was declared, or was written before
   */
  public void write(String key, Tensor tensor) throws IOException {
    var info = missing.get(key);
    if (info == null) {
      throw new IllegalArgumentException(
          target
              + ": tensor "
              + CheckpointException.show(key)
              + (offsets.containsKey(key) ? " was written before" : " was not declared"));
    }
    if (tensor.dtype() != info.dtype() || !tensor.shape().equals(info.shape())) {
      throw new IllegalArgumentException(
          target + ": tensor " + info + " was declared, not " + tensor);
    }
    if (tensor.device().kind() != Device.Kind.CPU) {
      throw new IllegalArgumentException(
          target + ": tensor " + key + " is on " + tensor.device() + ", copy it to the host first");
    }
    long at = offsets.get(key);
    if (tensor.isContiguous()) {
      put(tensor.segment(), at);
    } else {
      putRows(tensor, at);
    }
    missing.remove(key);
  }

  private void put(MemorySegment bytes, long at) throws IOException {
    for (long done = 0; done < bytes.byteSize(); done += CHUNK) {
      long length = Math.min(CHUNK, bytes.byteSize() - done);
      put(bytes.asSlice(done, length).asByteBuffer(), at + done);
    }
  }

  private void putRows(Tensor tensor, long at) throws IOException {
    long size = tensor.dtype().bytes();
    long row = tensor.shape().cols() * size;
    for (long i = 0; i < tensor.shape().rows(); i++) {
      put(tensor.segment().asSlice(i * tensor.rowStride() * size, row), at + i * row);
    }
  }

  private void put(ByteBuffer bytes, long at) throws IOException {
    while (bytes.hasRemaining()) {
      at += channel.write(bytes, at);
    }
  }

  /**
   * Makes the file complete and puts it in its place.
   *
   * @throws IllegalStateException if a declared tensor was not written
   */
  public void finish() throws IOException {
    if (!missing.isEmpty()) {
      throw new IllegalStateException(
          target
              + ": "
              + missing.size()
              + " declared tensors were not written, the first is "
              + missing.values().iterator().next());
    }
    channel.force(true);
    channel.close();
    partial.complete();
  }

  /** Removes what was written unless it is {@linkplain #finish finished}. */
  @Override
  public void close() throws IOException {
    try {
      channel.close();
    } finally {
      partial.close();
    }
  }
}
