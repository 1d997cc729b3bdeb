package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelCacheTest {
  private static final byte[] IMAGE = {1, 2, 3, 4, 5};

  @TempDir private Path folder;

  @Test
  void whatWasStoredIsFound() throws IOException {
    var cache = new KernelCache(folder.resolve("new"));
    var key = KernelCache.key("a", "b");
    assertNull(cache.get(key));
    cache.put(key, IMAGE);
    assertArrayEquals(IMAGE, cache.get(key));
    assertNull(cache.get(KernelCache.key("ab", "")));
    try (var files = Files.list(folder.resolve("new"))) {
      assertEquals(1, files.count()); // nothing temporary is left
    }
  }

  @Test
  void textsDoNotRunTogether() {
    assertNotEquals(KernelCache.key("a", "b"), KernelCache.key("ab"));
    assertNotEquals(KernelCache.key("a", "b"), KernelCache.key("b", "a"));
  }

  @Test
  void aDamagedFileIsNotUsed() throws IOException {
    var cache = new KernelCache(folder);
    var key = KernelCache.key("a");
    cache.put(key, IMAGE);
    byte[] stored = Files.readAllBytes(folder.resolve(key));
    stored[2] ^= 1;
    Files.write(folder.resolve(key), stored);
    assertNull(cache.get(key));
    Files.write(folder.resolve(key), new byte[3]);
    assertNull(cache.get(key));
    cache.put(key, IMAGE);
    assertArrayEquals(IMAGE, cache.get(key));
  }

  @Test
  void aFolderThatCannotBeWrittenIsNoError() throws IOException {
    var file = Files.write(folder.resolve("file"), new byte[1]);
    var cache = new KernelCache(file);
    cache.put(KernelCache.key("a"), IMAGE);
    assertNull(cache.get(KernelCache.key("a")));
  }

  @Test
  void whereItLies() throws IOException {
    var key = KernelCache.key("a");
    KernelCache.of(null, Map.of("XDG_CACHE_HOME", folder + "/x"), "/nowhere").put(key, IMAGE);
    assertTrue(Files.exists(folder.resolve("x/gatun/cuda").resolve(key)));
    KernelCache.of(null, Map.of(), folder + "/home").put(key, IMAGE);
    assertTrue(Files.exists(folder.resolve("home/.cache/gatun/cuda").resolve(key)));
    KernelCache.of(folder + "/given", Map.of(), folder + "/home").put(key, IMAGE);
    assertTrue(Files.exists(folder.resolve("given").resolve(key)));
    var none = KernelCache.of("", Map.of(), folder + "/home");
    none.put(key, IMAGE);
    assertNull(none.get(key));
  }
}
