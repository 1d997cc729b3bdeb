package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.loader.SearchPath;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * A driver in software, compiled from {@code src/test/cuda} to where the loader looks first. It
 * stands for the real one, also on a machine that has one.
 */
@SuppressWarnings("restricted")
final class SoftwareDriver {
  private static final Path FOLDER = Path.of("src", "test", "cuda");
  private static final String SOURCE = FOLDER.resolve("driver.cpp").toString();

  private final MethodHandle reset;
  private final MethodHandle fail;
  private final MethodHandle calls;

  private SoftwareDriver(SymbolLookup library) {
    reset = function(library, "soft_reset", null, JAVA_INT);
    fail = function(library, "soft_fail", null, ADDRESS, JAVA_INT);
    calls = function(library, "soft_calls", JAVA_INT, ADDRESS);
  }

  /** Compiles and opens it; a machine without a compiler skips the test, and says so. */
  static SoftwareDriver build() throws IOException, InterruptedException {
    assumeTrue(hasCompiler(), "there is no g++ to compile the software CUDA device with");
    var given = System.getProperty(SearchPath.PROPERTY);
    assumeTrue(given != null, "no folder for the software CUDA device: see runtime/pom.xml");
    var folder = Files.createDirectories(Path.of(given));
    var file = folder.resolve("libcuda.so.1");
    // First beside it: a JVM that has the old one loaded keeps it.
    var made = folder.resolve("libcuda.so.new");
    compile("-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-o", made.toString(), SOURCE);
    Files.move(made, file, StandardCopyOption.REPLACE_EXISTING);
    return new SoftwareDriver(SymbolLookup.libraryLookup(file, Arena.global()));
  }

  /** Compiles it against NVIDIA's own header, without result; skips where that is missing. */
  static void compareWithHeader() throws IOException, InterruptedException {
    assumeTrue(hasCompiler(), "there is no g++ to compile the software CUDA device with");
    var header =
        Stream.of(System.getenv("CUDA_HOME"), System.getenv("CUDA_PATH"), "/usr/local/cuda")
            .filter(Objects::nonNull)
            .map(toolkit -> Path.of(toolkit, "include"))
            .filter(include -> Files.isReadable(include.resolve("cuda.h")))
            .findFirst();
    assumeTrue(header.isPresent(), "there is no cuda.h to compare with: set CUDA_HOME");
    compile("-fsyntax-only", "-DNVIDIA_HEADERS", "-I", header.get().toString(), SOURCE);
  }

  private static void compile(String... arguments) throws IOException, InterruptedException {
    var command = new ArrayList<>(List.of("g++", "-std=c++17", "-Wall", "-Werror"));
    command.addAll(List.of(arguments));
    var compiler = new ProcessBuilder(command).redirectErrorStream(true).start();
    var said = new String(compiler.getInputStream().readAllBytes());
    assertEquals(0, compiler.waitFor(), said);
  }

  private static boolean hasCompiler() {
    return Stream.of(System.getenv().getOrDefault("PATH", "").split(":"))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, "g++")));
  }

  private static MethodHandle function(
      SymbolLookup library, String name, MemoryLayout result, MemoryLayout... parameters) {
    var descriptor =
        result == null
            ? FunctionDescriptor.ofVoid(parameters)
            : FunctionDescriptor.of(result, parameters);
    return Linker.nativeLinker().downcallHandle(library.findOrThrow(name), descriptor);
  }

  /** Begins anew, not initialised, with so many devices. */
  void reset(int devices) {
    try {
      reset.invokeExact(devices);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Has a function return a status from now on. */
  void fail(String function, int status) {
    try (var arena = Arena.ofConfined()) {
      fail.invokeExact(arena.allocateFrom(function), status);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** How often a function was called since the beginning. */
  int calls(String function) {
    try (var arena = Arena.ofConfined()) {
      return (int) calls.invokeExact(arena.allocateFrom(function));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
