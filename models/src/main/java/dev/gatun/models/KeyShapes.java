package dev.gatun.models;

import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/**
 * The keys and shapes of a file, for reading off them what network it holds.
 *
 * @param keys as in the file
 * @param network what it is taken for, for messages: "a U-ViT"
 */
public record KeyShapes(SequencedMap<String, Shape> keys, String network) {
  /** More digits than any block's number has. */
  private static final int MAX_DIGITS = 5;

  /**
   * The shape of a tensor, none of whose extents is 0.
   *
   * @throws ParameterException if it is missing or has another number of axes
   */
  public Shape shape(String key, int rank) {
    var shape = keys.get(key);
    if (shape == null) {
      throw new ParameterException("tensor " + key + " is missing; " + network + " has it");
    }
    if (shape.rank() != rank || shape.size() == 0) {
      throw new ParameterException(
          "tensor " + key + " is " + shape + ", expected " + rank + " axes");
    }
    return shape;
  }

  /** Whether a key begins so. */
  public boolean any(String prefix) {
    return keys.keySet().stream().anyMatch(key -> key.startsWith(prefix));
  }

  /**
   * How many blocks there are: one more than the highest number that follows a prefix, so that a
   * block that lacks tensors is told by them.
   *
   * @param prefix with its dot, such as {@code in_blocks.}
   */
  public int blocks(String prefix) {
    int blocks = 0;
    for (var key : keys.keySet()) {
      if (!key.startsWith(prefix)) {
        continue;
      }
      int at = prefix.length();
      int number = 0;
      while (at < key.length() && at - prefix.length() < MAX_DIGITS && digit(key, at) >= 0) {
        number = 10 * number + digit(key, at++);
      }
      if (at > prefix.length() && at < key.length() && key.charAt(at) == '.') {
        blocks = Math.max(blocks, number + 1);
      }
    }
    return blocks;
  }

  /** The ratio of two widths which, multiplied by the first and rounded down, gives the second. */
  public static double ratio(int width, int hidden) {
    double ratio = (double) hidden / width;
    return (int) (width * ratio) < hidden ? Math.nextUp(ratio) : ratio;
  }

  private static int digit(String key, int at) {
    char c = key.charAt(at);
    return c >= '0' && c <= '9' ? c - '0' : -1;
  }
}
