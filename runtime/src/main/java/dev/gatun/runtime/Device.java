package dev.gatun.runtime;

import java.util.Locale;

/**
 * Where a tensor lives and an operator runs.
 *
 * @param kind CPU or CUDA
 * @param index which of several, from 0
 */
public record Device(Kind kind, int index) {
  /** The kinds of device. */
  public enum Kind {
    CPU,
    CUDA
  }

  /** The machine that the JVM runs on. */
  public static final Device CPU = new Device(Kind.CPU, 0);

  /**
   * Reads {@code cpu}, {@code cuda} or {@code cuda:1}.
   *
   * @throws IllegalArgumentException for anything else
   */
  public static Device parse(String text) {
    var parts = text.toLowerCase(Locale.ROOT).split(":", 2);
    try {
      int index = parts.length == 2 ? Integer.parseUnsignedInt(parts[1]) : 0;
      switch (parts[0]) {
        case "cpu" -> {
          if (index == 0) {
            return CPU;
          }
        }
        case "cuda" -> {
          return new Device(Kind.CUDA, index);
        }
        default -> {}
      }
    } catch (NumberFormatException e) {
      // said below, with all that is allowed
    }
    throw new IllegalArgumentException(
        "unknown device '" + text + "': give cpu, cuda or cuda:INDEX");
  }

  @Override
  public String toString() {
    return kind == Kind.CPU ? "cpu" : "cuda:" + index;
  }
}
