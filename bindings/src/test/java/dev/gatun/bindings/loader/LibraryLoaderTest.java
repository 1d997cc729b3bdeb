package dev.gatun.bindings.loader;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

@EnabledOnOs(OS.LINUX)
class LibraryLoaderTest {
  @TempDir(cleanup = CleanupMode.NEVER) // loaded files stay open until the JVM ends
  private Path folder;

  private LibraryLoader loader() {
    return new LibraryLoader(new SearchPath(List.of(folder)));
  }

  @Test
  void everyMissingLibraryIsOneSentenceWithPlacesAndCure() {
    for (var library : NvidiaLibrary.values()) {
      var loader = loader();
      var e = assertThrows(MissingLibraryException.class, () -> loader.load(library));
      var missing = e.library();
      assertTrue(missing == library || library.needs().contains(missing), e.getMessage());
      assertTrue(e.getMessage().startsWith(missing.title()), e.getMessage());
      assertTrue(e.getMessage().contains(missing.fileNames().getFirst()), e.getMessage());
      assertTrue(e.getMessage().contains(folder.toString()), e.getMessage());
      assertTrue(e.getMessage().contains(missing.cure()), e.getMessage());
      assertEquals(-1, e.getMessage().indexOf('\n'));
    }
  }

  @Test
  void withoutAnyFolderTheSentenceHolds() {
    var loader = new LibraryLoader(new SearchPath(List.of()));
    var e = assertThrows(MissingLibraryException.class, () -> loader.load(NvidiaLibrary.DRIVER));
    assertEquals(
        "the NVIDIA driver is not on this machine (looked for libcuda.so.1 in any of the usual"
            + " folders): install NVIDIA's driver",
        e.getMessage());
  }

  @Test
  void aFailureIsRememberedAndThrownAnew() throws IOException {
    var loader = loader();
    var first = assertThrows(MissingLibraryException.class, () -> loader.load(NvidiaLibrary.CUDNN));
    Files.createFile(folder.resolve("libcudnn.so.9"));
    var again = assertThrows(MissingLibraryException.class, () -> loader.load(NvidiaLibrary.CUDNN));
    assertEquals(first.getMessage(), again.getMessage());
    assertNotSame(first, again);
  }

  @Test
  void aFileThatIsNoLibrarySaysWhy() throws IOException {
    Files.writeString(folder.resolve("libcudnn.so.9"), "not a library");
    var loader = loader();
    var e = assertThrows(MissingLibraryException.class, () -> loader.load(NvidiaLibrary.CUDNN));
    assertTrue(e.getMessage().contains("does not load from " + folder), e.getMessage());
    assertTrue(e.getMessage().contains(NvidiaLibrary.CUDNN.cure()), e.getMessage());
  }

  /** Any library does: what is looked for is its name. */
  @Test
  void aLibraryIsLoadedOnceAndItsFunctionsAreRequired() throws IOException {
    var file = folder.resolve("libcuda.so.1");
    Files.copy(Path.of(System.getProperty("java.home"), "lib", "libzip.so"), file);
    var loader = loader();
    assertEquals(file, loader.load(NvidiaLibrary.DRIVER));
    assertEquals(file, loader.load(NvidiaLibrary.DRIVER));
    loader.require(NvidiaLibrary.DRIVER, "ZIP_CRC32");
    var e =
        assertThrows(
            MissingLibraryException.class, () -> loader.require(NvidiaLibrary.DRIVER, "cuNothing"));
    assertTrue(e.getMessage().contains(file + " has no function cuNothing"), e.getMessage());
  }
}
