package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CachesTest {
  @TempDir private Path folder;

  @Test
  void theSecondLevelIsFoundAmongTheCaches() throws IOException {
    describe(0, "1", "32K");
    describe(1, "1", "32K");
    describe(2, "2", "1280K");
    describe(3, "3", "32M");
    assertEquals(1280 << 10, Caches.secondLevel(folder));
  }

  @Test
  void whatIsNotThereOrNoSizeIsTheUsualOne() throws IOException {
    assertEquals(512 << 10, Caches.secondLevel(folder.resolve("absent")));
    describe(0, "2", "");
    assertEquals(512 << 10, Caches.secondLevel(folder));
    describe(0, "2", "many");
    assertEquals(512 << 10, Caches.secondLevel(folder));
  }

  @Test
  void absurdSizesAreBounded() throws IOException {
    describe(0, "2", "999G");
    assertEquals(8 << 20, Caches.secondLevel(folder));
    describe(0, "2", "1");
    assertEquals(128 << 10, Caches.secondLevel(folder));
  }

  @Test
  void unitsOfSizes() {
    assertEquals(512, Caches.bytes("512"));
    assertEquals(512 << 10, Caches.bytes("512K"));
    assertEquals(2 << 20, Caches.bytes(" 2M\n"));
  }

  @Test
  void thisMachineHasOne() {
    assertTrue(Caches.L2 >= 128 << 10 && Caches.L2 <= 8 << 20, () -> "bytes: " + Caches.L2);
  }

  private void describe(int index, String level, String size) throws IOException {
    var cache = Files.createDirectories(folder.resolve("index" + index));
    Files.writeString(cache.resolve("level"), level + "\n");
    Files.writeString(cache.resolve("size"), size + "\n");
  }
}
