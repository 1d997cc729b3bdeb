package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.gatun.bindings.cuda.Cuda;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The kernels of the {@code .cu} resources beside this class, compiled for a GPU when one of a
 * source is first launched, or taken from the cache.
 */
final class Kernels implements AutoCloseable {
  static final String COMMON = "common.cuh";

  /** The sources, without {@code .cu}. */
  static final List<String> SOURCES =
      List.of(
          "attention",
          "attentionGradient",
          "convolution",
          "movement",
          "norm",
          "pointwise",
          "resampling");

  private final Session session;
  private final KernelCompiler compiler;
  private final KernelCache cache;
  private final Map<String, MemorySegment> modules = new HashMap<>();

  Kernels(Session session, KernelCompiler compiler, KernelCache cache) {
    this.session = session;
    this.compiler = compiler;
    this.cache = cache;
  }

  /** A kernel by the name of its source, without {@code .cu}, and its own. */
  Kernel get(String source, String name) {
    return new Kernel(this, source, name);
  }

  /** Compiles and loads the source, unless it is, and finds the kernel in it. */
  MemorySegment load(String source, String name) {
    session.enter();
    if (session.stream().isCapturing()) {
      throw new UnrecordableException("the kernel " + name + " is not loaded yet");
    }
    var module = modules.get(source);
    if (module == null) {
      module = load(source);
      modules.put(source, module);
    }
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      Driver.check(
          "cuModuleGetFunction of " + name,
          Cuda.cuModuleGetFunction(pointer, module, arena.allocateFrom(name)));
      return pointer.get(ADDRESS, 0);
    }
  }

  private MemorySegment load(String source) {
    var text = resource(source + ".cu");
    var common = resource(COMMON);
    var key = KernelCache.key(compiler.target(), common, text);
    var image = cache.get(key);
    if (image == null) {
      image = compiler.compile(source + ".cu", text, List.of(COMMON, common)).code();
      cache.put(key, image);
    }
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      var code = arena.allocateFrom(ValueLayout.JAVA_BYTE, image);
      Driver.check("cuModuleLoadData of " + source + ".cu", Cuda.cuModuleLoadData(pointer, code));
      return pointer.get(ADDRESS, 0);
    }
  }

  /** The text of a resource. */
  static String resource(String name) {
    try (var stream = Kernels.class.getResourceAsStream(name)) {
      if (stream == null) {
        throw new IllegalStateException("the resource " + name + " is missing in this jar");
      }
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    for (var module : modules.values()) {
      Driver.warn("cuModuleUnload", Cuda.cuModuleUnload(module));
    }
    modules.clear();
  }
}
