package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.SearchPath;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.SoftwareDevice;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each library missing in turn, in a JVM of its own, since a library that is loaded stays. */
@EnabledOnOs(OS.LINUX)
class MissingLibrariesTest {
  private static final List<String> FILES =
      List.of(
          "libcuda.so.1",
          "libnvrtc-builtins.so.13.0",
          "libnvrtc.so.13",
          "libcublasLt.so.13",
          "libcudnn.so.9");

  @TempDir private Path folder;

  @BeforeAll
  static void build() {
    SoftwareDevice.open();
  }

  private void link(String without) throws Exception {
    var from = Path.of(System.getProperty(SearchPath.PROPERTY));
    for (var file : FILES) {
      if (!file.equals(without)) {
        Files.createSymbolicLink(folder.resolve(file), from.resolve(file));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "libcuda.so.1, the NVIDIA driver, install NVIDIA's driver",
    "libnvrtc-builtins.so.13.0, NVRTC's built-in functions, pip install nvidia-cuda-nvrtc",
    "libnvrtc.so.13, NVRTC, pip install nvidia-cuda-nvrtc",
    "libcublasLt.so.13, cuBLASLt, pip install nvidia-cublas",
    "libcudnn.so.9, cuDNN, pip install nvidia-cudnn-cu13"
  })
  void theSentenceNamesItAndTheCure(String file, String title, String cure) throws Exception {
    link(file);
    var reason = run();
    assumeTrue(!reason.isEmpty(), "there is another " + file + " on this machine");
    assertTrue(reason.startsWith(title + " is not on this machine (looked for "), reason);
    assertTrue(reason.contains(folder.toRealPath().toString()), reason);
    assertTrue(reason.contains(": " + cure), reason);
    assertEquals(1, reason.lines().count(), reason);
  }

  @Test
  void withAllOfThemNothingIsMissing() throws Exception {
    link("");
    assertEquals("", run());
  }

  /** What {@link Program} says. */
  private String run() throws Exception {
    var path =
        String.join(
            File.pathSeparator,
            List.of(classes(Backend.class), classes(LibraryLoader.class), classes(Program.class)));
    var process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-D" + SearchPath.PROPERTY + "=" + folder.toRealPath(),
                "-cp",
                path,
                Program.class.getName())
            .redirectErrorStream(true)
            .start();
    var out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out);
    return out.strip();
  }

  private static String classes(Class<?> of) throws Exception {
    return Path.of(of.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  /** Says why nothing can be computed on a GPU. */
  static final class Program {
    private Program() {}

    public static void main(String[] arguments) {
      System.out.println(Backend.unavailable(Device.Kind.CUDA, "cuda"));
    }
  }
}
