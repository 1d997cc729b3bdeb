package dev.gatun.models.checkpoint;

import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.json.JsonException;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * The index of a sharded checkpoint: JSON whose {@code weight_map} says in which file each tensor
 * is.
 */
final class ShardIndex {
  /** What a JSON value takes on the heap, about. */
  private static final int VALUE_BYTES = 64;

  private ShardIndex() {}

  /**
   * Whether a file is JSON. A safetensors file too may begin with '{', as the low byte of its
   * header's length, but then that length is one that the file has.
   */
  static boolean is(Source source) throws CheckpointException {
    return source.has(0, '{')
        && (source.size() < 8 || Long.compareUnsigned(source.i64(0), source.size()) > 0);
  }

  /** Tensor keys and the names of their shards, in the order of the index. */
  static SequencedMap<String, String> weightMap(Source source) throws CheckpointException {
    byte[] text = source.copy(0, source.size());
    try {
      if (!(Json.parse(text, (int) (source.budget().left() / VALUE_BYTES))
          instanceof JsonObject index)) {
        throw source.error("is not an index of shards: it is JSON, but not an object");
      }
      var shards = new LinkedHashMap<String, String>();
      for (var member : index.object("weight_map").members().entrySet()) {
        if (!(member.getValue() instanceof JsonString(var shard))) {
          throw source.error(
              Source.about(member.getKey())
                  + "is mapped to "
                  + member.getValue().kind()
                  + ", expected the name of a shard");
        }
        shards.put(member.getKey(), shard);
      }
      return shards;
    } catch (JsonException e) {
      throw new CheckpointException(
          source.name(), "is not an index of shards: " + e.getMessage(), e);
    }
  }

  /**
   * The file of a shard, which must lie beside its index. In the cache of huggingface_hub both are
   * links into one directory; that is beside each other as well.
   */
  static Path resolve(Path index, String shard) throws CheckpointException {
    var name = MappedFile.name(index);
    var shown = CheckpointException.show(shard);
    try {
      var file = Path.of(shard);
      if (shard.isEmpty()
          || shard.indexOf('/') >= 0
          || shard.indexOf('\\') >= 0
          || file.isAbsolute()
          || file.getNameCount() != 1
          || !file.equals(file.normalize())
          || shard.equals("..")) {
        throw new CheckpointException(
            name, "lists the shard " + shown + ", which is not a plain file name; do not use it");
      }
      file = index.resolveSibling(shard);
      var real = file.toRealPath().getParent();
      if (!real.equals(file.toAbsolutePath().getParent().toRealPath())
          && !real.equals(index.toRealPath().getParent())) {
        throw new CheckpointException(
            name, "lists the shard " + shown + ", which is a link to another directory; copy it");
      }
      return file;
    } catch (InvalidPathException e) {
      throw new CheckpointException(
          name, "lists the shard " + shown + ", which is not a plain file name; do not use it", e);
    } catch (NoSuchFileException e) {
      throw new CheckpointException(
          name, "lists the shard " + shown + ", which is not beside it; download that too", e);
    } catch (CheckpointException e) {
      throw e;
    } catch (IOException e) {
      throw new CheckpointException(
          name, "lists the shard " + shown + ", which cannot be found: " + e.getMessage(), e);
    }
  }
}
