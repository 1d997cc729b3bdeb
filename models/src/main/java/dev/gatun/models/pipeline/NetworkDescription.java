package dev.gatun.models.pipeline;

import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a network is, as JSON says it: the authors' constructor arguments with the network's name
 * under {@code model}, or the {@code config.json} of diffusers.
 *
 * @param file where it stands, for messages
 * @param json the arguments
 */
record NetworkDescription(String file, JsonObject json) {
  private static final int MAX_BYTES = 1 << 20;
  private static final int MAX_VALUES = 1 << 16;

  /** Reads a file that holds a description. */
  static NetworkDescription read(Path path) throws CheckpointException {
    var file = path.getFileName() == null ? path.toString() : path.getFileName().toString();
    try {
      byte[] text;
      try (var in = Files.newInputStream(path)) {
        // a pipe or a device has no size to ask for beforehand
        text = in.readNBytes(MAX_BYTES + 1);
      }
      if (text.length > MAX_BYTES) {
        throw new CheckpointException(
            file, "has more than 1 MiB, which is no description of a network");
      }
      return parse(file, "", text);
    } catch (CheckpointException e) {
      throw e;
    } catch (IOException e) {
      throw new CheckpointException(file, "cannot be read; give the path of a JSON description", e);
    }
  }

  /** Reads the description that a checkpoint carries in its metadata. */
  static NetworkDescription embedded(String file, String text) throws CheckpointException {
    return parse(file, "its metadata 'config' ", text.getBytes(StandardCharsets.UTF_8));
  }

  private static NetworkDescription parse(String file, String subject, byte[] text)
      throws CheckpointException {
    try {
      return switch (Json.parse(text, MAX_VALUES)) {
        case JsonObject object -> new NetworkDescription(file, object);
        case Json other ->
            throw new CheckpointException(
                file,
                subject
                    + "is "
                    + other.kind()
                    + ", expected an object such as {\"model\": \"dit\", \"depth\": 28}");
      };
    } catch (JsonException e) {
      throw new CheckpointException(file, subject + "is not sound JSON: " + e.getMessage(), e);
    }
  }

  /**
   * The network that is described, with its family.
   *
   * @throws CheckpointException if a value is missing, or is none that a network can have
   */
  Families.Member network() throws CheckpointException {
    try {
      var key = json.has("_class_name") ? "_class_name" : "model";
      var name = json.string(key);
      var family =
          Families.named(name)
              .orElseThrow(
                  () ->
                      new JsonException(
                          "key '%s' is '%s', which Gatun does not know; it knows %s"
                              .formatted(key, CheckpointException.show(name), Families.names())));
      return new Families.Member(family, family.describe(json));
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(file, e.getMessage(), e);
    }
  }
}
