package dev.gatun.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A file with a text on each line, for a picture each. */
final class PromptFile {
  private static final int MOST_BYTES = 1 << 24;

  private PromptFile() {}

  /** The lines that are not blank. */
  static String[] read(Path file) {
    try {
      byte[] bytes = TextFile.read(file, MOST_BYTES, "cut it into several files");
      var text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      var lines = text.lines().filter(line -> !line.isBlank()).toArray(String[]::new);
      if (lines.length == 0) {
        throw CommandException.failure(file + ": holds no text; give one on each line");
      }
      return lines;
    } catch (CharacterCodingException e) {
      throw CommandException.failure(file + ": is no UTF-8 text; convert it first");
    } catch (IOException e) {
      throw CommandException.failure(
          file + ": cannot be read; give a file with a text on each line");
    }
  }
}
