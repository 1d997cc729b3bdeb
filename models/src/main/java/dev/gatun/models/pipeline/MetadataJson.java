package dev.gatun.models.pipeline;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.JsonException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * JSON in the metadata of a checkpoint. A header may have 100 MB, of which each two bytes can ask
 * for an object on the heap; what describes a network is small.
 */
final class MetadataJson {
  /** Several times the names of ImageNet-21k, the longest list that is published. */
  private static final int MAX_CHARACTERS = 1 << 22;

  private static final int MAX_VALUES = 1 << 16;

  private MetadataJson() {}

  /**
   * What the metadata say under a key.
   *
   * @throws JsonException if that is no JSON, or more than anybody needs
   */
  static Optional<Json> read(Checkpoint checkpoint, String key) {
    var text = checkpoint.metadata().get(key);
    if (text == null) {
      return Optional.empty();
    }
    if (text.length() > MAX_CHARACTERS) {
      throw new JsonException(
          "the metadata '%s' has %d characters, expected at most %d"
              .formatted(key, text.length(), MAX_CHARACTERS));
    }
    try {
      return Optional.of(Json.parse(text.getBytes(StandardCharsets.UTF_8), MAX_VALUES));
    } catch (JsonException e) {
      throw new JsonException("the metadata '" + key + "' is not sound JSON: " + e.getMessage());
    }
  }
}
