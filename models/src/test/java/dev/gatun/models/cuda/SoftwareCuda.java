package dev.gatun.models.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * The GPU of these tests: the software device of {@code runtime}'s tests, without the checks of
 * every access, which those make; or, with {@code -Dgatun.test.hardware=true}, the real one.
 */
@SuppressWarnings("restricted")
final class SoftwareCuda {
  static final boolean HARDWARE = Boolean.getBoolean("gatun.test.hardware");
  private static final Path BUILD = Path.of("..", "runtime", "src", "test", "cuda", "build");

  private static SymbolLookup driver;

  private SoftwareCuda() {}

  /** Opens it; a machine without a compiler skips the test, and says so. */
  static Backend open() throws IOException, InterruptedException {
    if (!HARDWARE) {
      prepare();
    }
    return Backend.open(new Device(Device.Kind.CUDA, 0));
  }

  private static synchronized void prepare() throws IOException, InterruptedException {
    if (driver != null) {
      return;
    }
    var given = System.getProperty("gatun.cuda.path");
    assumeTrue(given != null, "no folder for the software CUDA device: see models/pom.xml");
    assumeTrue(
        Stream.of(System.getenv().getOrDefault("PATH", "").split(":"))
            .anyMatch(folder -> Files.isExecutable(Path.of(folder, "g++"))),
        "there is no g++ to compile the software CUDA device with");
    var folder = Files.createDirectories(Path.of(given));
    var compiler =
        new ProcessBuilder(BUILD.toString(), folder.toString()).redirectErrorStream(true).start();
    var said = new String(compiler.getInputStream().readAllBytes());
    assertEquals(0, compiler.waitFor(), said);
    driver = SymbolLookup.libraryLookup(folder.resolve("libcuda.so.1"), Arena.global());
    call("soft_reset", 1);
    call("soft_strict", 0);
  }

  private static void call(String function, int argument) {
    try {
      Linker.nativeLinker()
          .downcallHandle(driver.findOrThrow(function), FunctionDescriptor.ofVoid(JAVA_INT))
          .invokeWithArguments(argument);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** How often any function was called. */
  static long totalCalls() {
    return number("soft_total_calls");
  }

  /** How often a function was called. */
  static int calls(String function) {
    try (var arena = Arena.ofConfined()) {
      return (int)
          Linker.nativeLinker()
              .downcallHandle(
                  driver.findOrThrow("soft_calls"), FunctionDescriptor.of(JAVA_INT, ADDRESS))
              .invokeWithArguments(arena.allocateFrom(function));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** How many bytes of the device are allocated; none that we know of on the real one. */
  static long bytes() {
    return HARDWARE ? 0 : number("soft_bytes");
  }

  private static long number(String function) {
    try {
      return (long)
          Linker.nativeLinker()
              .downcallHandle(driver.findOrThrow(function), FunctionDescriptor.of(JAVA_LONG))
              .invokeWithArguments();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
