package dev.gatun.runtime;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.loader.SearchPath;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * CUDA in software: a driver and the libraries on it, compiled from {@code src/test/cuda} to where
 * the loader looks first. It computes on the CPU, is strict about how it is called, and fails when
 * it is told to. It stands for the real one, also on a machine that has one.
 */
@SuppressWarnings("restricted")
public final class SoftwareDevice {
  private static final Path SOURCES = Path.of("src", "test", "cuda");
  private static final int MOST_REPORT = 1 << 16;

  /** Made once in a JVM. */
  private static final class Holder {
    private static final SoftwareDevice DEVICE = new SoftwareDevice(build());
  }

  private final MethodHandle reset;
  private final MethodHandle fail;
  private final MethodHandle failAt;
  private final MethodHandle calls;
  private final MethodHandle totalCalls;
  private final MethodHandle live;
  private final MethodHandle bytes;
  private final MethodHandle contexts;
  private final MethodHandle capability;
  private final MethodHandle strict;
  private final MethodHandle lazy;
  private final MethodHandle reverse;
  private final MethodHandle report;
  private final MethodHandle refuse;
  private final MethodHandle liveDnn;
  private final MethodHandle liveBlas;

  private SoftwareDevice(Path folder) {
    var driver = SymbolLookup.libraryLookup(folder.resolve("libcuda.so.1"), Arena.global());
    reset = function(driver, "soft_reset", null, JAVA_INT);
    fail = function(driver, "soft_fail", null, ADDRESS, JAVA_INT);
    failAt = function(driver, "soft_fail_at", null, ADDRESS, JAVA_INT, JAVA_INT);
    calls = function(driver, "soft_calls", JAVA_INT, ADDRESS);
    totalCalls = function(driver, "soft_total_calls", JAVA_LONG);
    live = function(driver, "soft_live", JAVA_LONG);
    bytes = function(driver, "soft_bytes", JAVA_LONG);
    contexts = function(driver, "soft_contexts", JAVA_INT);
    capability = function(driver, "soft_capability", null, JAVA_INT);
    strict = function(driver, "soft_strict", null, JAVA_INT);
    lazy = function(driver, "soft_lazy", null, JAVA_INT);
    reverse = function(driver, "soft_reverse", null, JAVA_INT);
    report = function(driver, "soft_report", JAVA_INT, ADDRESS, JAVA_INT);
    var dnn = SymbolLookup.libraryLookup(folder.resolve("libcudnn.so.9"), Arena.global());
    refuse = function(dnn, "soft_cudnn_refuse", null, JAVA_INT);
    liveDnn = function(dnn, "soft_cudnn_live", JAVA_INT);
    var blas = SymbolLookup.libraryLookup(folder.resolve("libcublasLt.so.13"), Arena.global());
    liveBlas = function(blas, "soft_cublaslt_live", JAVA_INT);
  }

  /** Compiles and opens it; a machine without a compiler skips the test, and says so. */
  public static SoftwareDevice open() {
    assumeTrue(hasCompiler(), "there is no g++ to compile the software CUDA device with");
    assumeTrue(
        System.getProperty(SearchPath.PROPERTY) != null,
        "no folder for the software CUDA device: see runtime/pom.xml");
    return Holder.DEVICE;
  }

  private static Path build() {
    try {
      var folder = Files.createDirectories(Path.of(System.getProperty(SearchPath.PROPERTY)));
      run(folder.toString());
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Compiles it against NVIDIA's own headers, without result; skips where they are missing. */
  public static void compareWithHeaders() {
    assumeTrue(hasCompiler(), "there is no g++ to compile the software CUDA device with");
    var folders = headerFolders();
    assumeTrue(!folders.isEmpty(), "there is no cuda.h to compare with: set CUDA_HOME");
    var arguments = new ArrayList<>(List.of("--headers"));
    folders.forEach(folder -> arguments.add(folder.toString()));
    run(arguments.toArray(String[]::new));
  }

  /** Where headers of NVIDIA's may be. */
  public static List<Path> headerFolders() {
    var toolkits =
        Stream.of(System.getenv("CUDA_HOME"), System.getenv("CUDA_PATH"), "/usr/local/cuda")
            .filter(Objects::nonNull)
            .map(toolkit -> Path.of(toolkit, "include"));
    // what pip unpacks, for the libraries that no toolkit has
    var wheels =
        Stream.of(System.getenv().getOrDefault(SearchPath.VARIABLE, "").split(":"))
            .filter(root -> !root.isEmpty())
            .flatMap(
                root ->
                    Stream.of(
                        Path.of(root, "nvidia", "cu13", "include"),
                        Path.of(root, "nvidia", "cudnn", "include")));
    return Stream.concat(wheels, toolkits).filter(Files::isDirectory).distinct().toList();
  }

  private static void run(String... arguments) {
    try {
      var command = new ArrayList<>(List.of(SOURCES.resolve("build").toString()));
      command.addAll(List.of(arguments));
      var compiler = new ProcessBuilder(command).redirectErrorStream(true).start();
      var said = new String(compiler.getInputStream().readAllBytes());
      assertEquals(0, compiler.waitFor(), said);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
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

  private static Object call(MethodHandle function, Object... arguments) {
    try {
      return function.invokeWithArguments(arguments);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Begins anew, not initialised, with so many devices; nothing fails, every access is checked. */
  public void reset(int devices) {
    call(reset, devices);
    call(refuse, 0);
    report();
  }

  /** Has a function return a status from now on. */
  public void fail(String function, int status) {
    try (var arena = Arena.ofConfined()) {
      call(fail, arena.allocateFrom(function), status);
    }
  }

  /** Has the n-th call of a function from now on return a status, once. */
  public void failAt(String function, int nth, int status) {
    try (var arena = Arena.ofConfined()) {
      call(failAt, arena.allocateFrom(function), nth, status);
    }
  }

  /** How often a function was called since the beginning. */
  public int calls(String function) {
    try (var arena = Arena.ofConfined()) {
      return (int) call(calls, arena.allocateFrom(function));
    }
  }

  /** How often any function was called since the beginning. */
  public long totalCalls() {
    return (long) call(totalCalls);
  }

  /** How many objects of all libraries there are: memory, streams, events, modules, graphs… */
  public long live() {
    return (long) call(live) + (int) call(liveDnn) + (int) call(liveBlas);
  }

  /** How much device memory is allocated. */
  public long bytes() {
    return (long) call(bytes);
  }

  /** How often the context is retained. */
  public int contexts() {
    return (int) call(contexts);
  }

  /**
   * What the GPUs can compute: ten times the first part of the compute capability and the second.
   */
  public void capability(int number) {
    call(capability, number);
  }

  /** Whether every access of a kernel is checked, which is slow. */
  public void strict(boolean on) {
    call(strict, on ? 1 : 0);
  }

  /** Whether work waits until somebody waits for it. */
  public void lazy(boolean on) {
    call(lazy, on ? 1 : 0);
  }

  /** Whether the threads of a block run in the opposite order. */
  public void reverse(boolean on) {
    call(reverse, on ? 1 : 0);
  }

  /**
   * What cuDNN has no engine for: bit 0 graphs of more than two operations, bit 1 paddings that
   * differ, bit 2 attention, bit 3 anything.
   */
  public void refuse(int what) {
    call(refuse, what);
  }

  /** What was wrong since the last time it was asked for; empty if nothing was. */
  public String report() {
    try (var arena = Arena.ofConfined()) {
      var text = arena.allocate(MOST_REPORT);
      call(report, text, MOST_REPORT);
      return text.getString(0);
    }
  }
}
