package dev.gatun.runtime.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;

/**
 * Compiled kernels on disk, so that only the first process on a machine compiles: a file for each
 * source, named by the digest of all that it depends on. It lies in {@code -Dgatun.cuda.cache}, or
 * in {@code gatun/cuda} of {@code XDG_CACHE_HOME} or {@code ~/.cache}. A cache that cannot be read
 * or written only costs time.
 *
 * <p>A file ends with the digest of its content: one that was cut short or changed is compiled
 * anew.
 */
final class KernelCache {
  /** A system property that names the folder; an empty one means no cache. */
  static final String PROPERTY = "gatun.cuda.cache";

  private static final int DIGEST_BYTES = 32;
  private static final long MOST_BYTES = 64 << 20;

  private final Path folder;

  /**
   * @param folder made when it is needed; null for no cache
   */
  KernelCache(Path folder) {
    this.folder = folder;
  }

  /** That of this user. */
  static KernelCache ofUser() {
    return of(System.getProperty(PROPERTY), System.getenv(), System.getProperty("user.home", ""));
  }

  static KernelCache of(String property, Map<String, String> environment, String home) {
    try {
      if (property != null) {
        return new KernelCache(property.isEmpty() ? null : Path.of(property));
      }
      var caches = environment.getOrDefault("XDG_CACHE_HOME", "");
      if (caches.isEmpty() && home.isEmpty()) {
        return new KernelCache(null);
      }
      var root = caches.isEmpty() ? Path.of(home, ".cache") : Path.of(caches);
      return new KernelCache(root.resolve("gatun").resolve("cuda"));
    } catch (InvalidPathException e) {
      return new KernelCache(null);
    }
  }

  /** The name of what depends on some texts. */
  static String key(String... texts) {
    var digest = sha256();
    for (var text : texts) {
      digest.update(text.getBytes(StandardCharsets.UTF_8));
      digest.update((byte) 0);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** What was stored under a key, or null. */
  byte[] get(String key) {
    if (folder == null) {
      return null;
    }
    try {
      var file = folder.resolve(key);
      if (!Files.isRegularFile(file) || Files.size(file) > MOST_BYTES) {
        return null;
      }
      byte[] all = Files.readAllBytes(file);
      int length = all.length - DIGEST_BYTES;
      if (length <= 0) {
        return null;
      }
      byte[] content = Arrays.copyOf(all, length);
      byte[] digest = Arrays.copyOfRange(all, length, all.length);
      return MessageDigest.isEqual(sha256().digest(content), digest) ? content : null;
    } catch (IOException | SecurityException e) {
      return null;
    }
  }

  /** Stores content under a key, at once or not at all. */
  void put(String key, byte[] content) {
    if (folder == null) {
      return;
    }
    try {
      Files.createDirectories(folder);
      var file = Files.createTempFile(folder, key, ".new");
      try {
        byte[] all = Arrays.copyOf(content, content.length + DIGEST_BYTES);
        System.arraycopy(sha256().digest(content), 0, all, content.length, DIGEST_BYTES);
        Files.write(file, all);
        Files.move(
            file,
            folder.resolve(key),
            StandardCopyOption.ATOMIC_MOVE,
            StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (IOException | SecurityException e) {
      // the next process compiles, too
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JVM has SHA-256", e);
    }
  }
}
