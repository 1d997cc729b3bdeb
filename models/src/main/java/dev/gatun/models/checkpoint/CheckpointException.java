package dev.gatun.models.checkpoint;

import java.io.IOException;

/** A checkpoint that cannot be read, or that does not hold what is asked of it. */
public final class CheckpointException extends IOException {
  private static final long serialVersionUID = 1;
  private static final int SHOWN = 80;

  /**
   * An exception about a file.
   *
   * @param file name of the file, with which the message begins
   * @param sentence the fact and the cure
   */
  public CheckpointException(String file, String sentence) {
    super(file + ": " + sentence);
  }

  /** An exception about a file, with what caused it. */
  public CheckpointException(String file, String sentence, Throwable cause) {
    super(file + ": " + sentence, cause);
  }

  /** A name from a file, fit for a message: shortened, and without control characters. */
  public static String show(String name) {
    var shown = new StringBuilder();
    for (int i = 0; i < Math.min(name.length(), SHOWN); i++) {
      char c = name.charAt(i);
      shown.append(Character.isISOControl(c) ? "\\u%04x".formatted((int) c) : String.valueOf(c));
    }
    if (name.length() > SHOWN) {
      shown.append("… (").append(name.length()).append(" characters)");
    }
    return shown.toString();
  }
}
