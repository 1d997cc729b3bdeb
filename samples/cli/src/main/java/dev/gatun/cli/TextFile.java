package dev.gatun.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A small file that somebody else wrote. */
final class TextFile {
  private TextFile() {}

  /**
   * Its bytes, and never many: a pipe or a device has no size to ask for beforehand.
   *
   * @param most how many bytes it may have
   * @param cure what the user can do where it has more
   */
  static byte[] read(Path file, int most, String cure) throws IOException {
    try (var in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(most + 1);
      if (bytes.length > most) {
        throw CommandException.failure(file + ": has more than " + most + " bytes; " + cure);
      }
      return bytes;
    }
  }
}
