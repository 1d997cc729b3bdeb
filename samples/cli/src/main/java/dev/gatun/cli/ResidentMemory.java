package dev.gatun.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Memory of this process that is its own and in RAM: pages of mapped files are not counted. */
final class ResidentMemory {
  private static final Path STATUS = Path.of("/proc/self/status");

  private ResidentMemory() {}

  /** {@code RssAnon + RssShmem} of Linux in bytes; null where the system does not tell. */
  static Long bytes() {
    long kibibytes = 0;
    boolean found = false;
    try {
      for (var line : Files.readAllLines(STATUS)) {
        if (line.startsWith("RssAnon:") || line.startsWith("RssShmem:")) {
          kibibytes += Long.parseLong(line.replaceAll("[^0-9]", ""));
          found = true;
        }
      }
    } catch (IOException | NumberFormatException e) {
      return null;
    }
    return found ? kibibytes << 10 : null;
  }
}
