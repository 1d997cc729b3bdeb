package dev.gatun.runtime.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** The caches of the first processor, as Linux describes them; elsewhere the usual sizes. */
final class Caches {
  private static final Path LINUX = Path.of("/sys/devices/system/cpu/cpu0/cache");

  private static final int USUAL = 512 << 10;
  private static final int LEAST = 128 << 10;
  private static final int MOST = 8 << 20;

  /** Bytes of the second-level cache of one core; {@code -Dgatun.cpu.l2=KIBIBYTES} overrides. */
  static final int L2 = secondLevel(LINUX);

  private Caches() {}

  /** From a folder with an {@code index*} for each cache. */
  static int secondLevel(Path folder) {
    int given = Integer.getInteger("gatun.cpu.l2", 0);
    if (given > 0) {
      return Math.clamp((long) given << 10, LEAST, MOST);
    }
    for (int i = 0; i < 8; i++) {
      var cache = folder.resolve("index" + i);
      try {
        if (Files.readString(cache.resolve("level")).strip().equals("2")) {
          return Math.clamp(bytes(Files.readString(cache.resolve("size"))), LEAST, MOST);
        }
      } catch (IOException | RuntimeException e) {
        // no such cache, or not on Linux, or nothing that is a size
      }
    }
    return USUAL;
  }

  /** Of a size such as {@code 512K} or {@code 1M}. */
  static long bytes(String size) {
    var text = size.strip().toUpperCase(Locale.ROOT);
    int unit = "KMG".indexOf(text.charAt(text.length() - 1));
    long number = Long.parseLong(unit < 0 ? text : text.substring(0, text.length() - 1));
    return number << 10 * (unit + 1);
  }
}
