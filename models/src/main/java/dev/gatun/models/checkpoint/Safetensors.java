package dev.gatun.models.checkpoint;

import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/**
 * The safetensors format: the length of the header (64 bits, little-endian), the header (JSON:
 * {@code {"KEY": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {}}}), and the
 * data, which the tensors cover without gap or overlap. The rules are those of the authors' reader
 * (huggingface/safetensors, {@code tensor.rs}).
 */
final class Safetensors {
  static final String METADATA = "__metadata__";
  static final String FORMAT = "safetensors";

  /** The authors' limit. */
  static final long MAX_HEADER = 100_000_000;

  /** What a JSON value takes on the heap, about. */
  private static final int VALUE_BYTES = 64;

  /** A tensor and the range of its bytes after the header. */
  private record Entry(TensorInfo info, long begin, long end) {}

  private final Source source;

  private Safetensors(Source source) {
    this.source = source;
  }

  /**
   * Whether the first bytes are those of safetensors. Byte 8 decides before anything else: the
   * length before it may look like the magic number of another format.
   */
  static boolean is(Source source) throws CheckpointException {
    return source.has(8, '{') || source.size() == 8;
  }

  static Contents read(Source source) throws CheckpointException {
    return new Safetensors(source).contents();
  }

  private Contents contents() throws CheckpointException {
    long length = source.i64(0);
    if (length < 0 || length > MAX_HEADER) {
      throw source.error(
          "claims a safetensors header of "
              + Long.toUnsignedString(length)
              + " bytes, the limit is "
              + MAX_HEADER
              + "; the file is damaged or is not safetensors");
    }
    if (length > source.size() - 8) {
      throw source.error(
          "claims a safetensors header of "
              + length
              + " bytes but has only "
              + (source.size() - 8)
              + " after the length; the file is damaged or its download was cut off");
    }
    if (length == 0) {
      throw source.error("has an empty safetensors header; the file is damaged");
    }
    try {
      return contents(parse(length), source.size() - 8 - length);
    } catch (JsonException e) {
      throw new CheckpointException(
          source.name(),
          "its safetensors header cannot be read: " + e.getMessage() + "; the file is damaged",
          e);
    }
  }

  private JsonObject parse(long length) throws CheckpointException {
    byte[] header = source.copy(8, length);
    long maxValues = source.budget().left() / VALUE_BYTES;
    if (Json.parse(header, (int) maxValues) instanceof JsonObject object) {
      return object;
    }
    throw source.error("its safetensors header is not an object; the file is damaged");
  }

  private Contents contents(JsonObject header, long dataBytes) throws CheckpointException {
    var metadata = new LinkedHashMap<String, String>();
    var entries = new ArrayList<Entry>();
    for (var member : header.members().entrySet()) {
      if (member.getKey().equals(METADATA)) {
        metadata(member.getValue(), metadata);
      } else {
        entries.add(entry(member.getKey(), member.getValue()));
      }
    }
    entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    var tensors = new LinkedHashMap<String, StoredTensor>();
    long dataAt = source.size() - dataBytes;
    long end = 0;
    for (var entry : entries) {
      if (entry.begin != end) {
        throw source.error(
            Source.about(entry.info.key())
                + "begins at byte "
                + entry.begin
                + " of the data, "
                + (entry.begin < end ? "inside the tensor before it" : "after a gap")
                + ", expected at byte "
                + end
                + "; the file is damaged");
      }
      end = entry.end;
      if (end > dataBytes) {
        throw source.error(
            Source.about(entry.info.key())
                + "ends at byte "
                + end
                + " of the data, which has only "
                + dataBytes
                + "; the file is damaged or its download was cut off");
      }
      tensors.put(entry.info.key(), StoredTensor.contiguous(entry.info, dataAt + entry.begin));
    }
    if (end != dataBytes) {
      throw source.error(
          "has "
              + (dataBytes - end)
              + " bytes after its last tensor, which belong to none; the file is damaged or is"
              + " two files in one");
    }
    return new Contents(FORMAT, metadata, tensors);
  }

  private void metadata(Json value, SequencedMap<String, String> metadata)
      throws CheckpointException {
    if (!(value instanceof JsonObject object)) {
      throw source.error(
          "its " + METADATA + " is " + value.kind() + ", expected an object of strings");
    }
    for (var member : object.members().entrySet()) {
      if (!(member.getValue() instanceof JsonString(var text))) {
        throw source.error(
            "its "
                + METADATA
                + " has "
                + member.getValue().kind()
                + " under "
                + CheckpointException.show(member.getKey())
                + ", expected a string");
      }
      metadata.put(member.getKey(), text);
    }
  }

  private Entry entry(String key, Json value) throws CheckpointException {
    if (!(value instanceof JsonObject object)) {
      throw source.error(
          Source.about(key) + "is described by " + value.kind() + ", expected an object");
    }
    try {
      var dtype = dtype(key, object.string("dtype"));
      var info = source.tensor(key, dtype, object.longs("shape"));
      long[] offsets = object.longs("data_offsets");
      if (offsets.length != 2 || offsets[0] < 0 || offsets[0] > offsets[1]) {
        throw source.error(
            Source.about(key)
                + "has the data_offsets "
                + (offsets.length <= 4
                    ? Arrays.toString(offsets)
                    : "of " + offsets.length + " items")
                + ", expected a begin and an end that is not before it; the file is damaged");
      }
      if (offsets[1] - offsets[0] != info.bytes()) {
        throw source.error(
            Source.about(key)
                + "has "
                + (offsets[1] - offsets[0])
                + " bytes of data, "
                + dtype
                + " "
                + info.shape()
                + " needs "
                + info.bytes()
                + "; the file is damaged");
      }
      return new Entry(info, offsets[0], offsets[1]);
    } catch (JsonException e) {
      throw new CheckpointException(
          source.name(),
          Source.about(key) + "is badly described: " + e.getMessage() + "; the file is damaged",
          e);
    }
  }

  private DType dtype(String key, String name) throws CheckpointException {
    for (var dtype : DType.values()) {
      if (dtype.name().equals(name)) {
        return dtype;
      }
    }
    throw source.error(
        Source.about(key)
            + "has the dtype "
            + CheckpointException.show(name)
            + ", which cannot be read; convert it to one of "
            + Arrays.stream(DType.values()).map(Enum::name).collect(Collectors.joining(", ")));
  }
}
