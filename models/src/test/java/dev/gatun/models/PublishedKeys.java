package dev.gatun.models;

import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** Keys and shapes of published checkpoints, among the test resources. */
public final class PublishedKeys {
  private PublishedKeys() {}

  /** A list of lines such as {@code pos_embed [1, 258, 1152]}. */
  public static SequencedMap<String, Shape> read(String file) throws IOException {
    var keys = new LinkedHashMap<String, Shape>();
    var text = new String(GoldenFiles.bytes("/keys/" + file), StandardCharsets.UTF_8);
    for (var line : text.lines().toList()) {
      int at = line.indexOf(" [");
      var dims = line.substring(at + 2, line.length() - 1);
      keys.put(
          line.substring(0, at),
          Shape.of(
              dims.isEmpty()
                  ? new int[0]
                  : Arrays.stream(dims.split(", ?")).mapToInt(Integer::parseInt).toArray()));
    }
    return keys;
  }
}
