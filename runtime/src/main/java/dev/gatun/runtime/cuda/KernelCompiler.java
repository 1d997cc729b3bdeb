package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.NativeText;
import dev.gatun.bindings.loader.NvidiaLibrary;
import dev.gatun.bindings.nvrtc.Nvrtc;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Compiles CUDA C++ for one kind of GPU with NVRTC: to machine code where this NVRTC knows the GPU,
 * else to PTX of the newest kind that it knows and that the GPU understands, which the driver then
 * translates.
 *
 * <p>Source: NVIDIA, "NVRTC", Basic Usage.
 */
final class KernelCompiler {
  private final int version;
  private final String architecture;
  private final boolean machineCode;

  /**
   * Loads NVRTC.
   *
   * @param capability of the GPU: 10·major + minor
   * @throws dev.gatun.bindings.loader.MissingLibraryException if it is not there
   * @throws CudaException if it knows only newer GPUs
   */
  KernelCompiler(int capability) {
    LibraryLoader.ofSystem().load(NvidiaLibrary.NVRTC);
    try (var arena = Arena.ofConfined()) {
      version = ofSystem();
      var count = arena.allocate(JAVA_INT);
      check("nvrtcGetNumSupportedArchs", Nvrtc.nvrtcGetNumSupportedArchs(count));
      var known = arena.allocate(JAVA_INT, count.get(JAVA_INT, 0));
      check("nvrtcGetSupportedArchs", Nvrtc.nvrtcGetSupportedArchs(known));
      int best = 0;
      for (int i = 0; i < count.get(JAVA_INT, 0); i++) {
        int one = known.getAtIndex(JAVA_INT, i);
        best = one <= capability ? Math.max(best, one) : best;
      }
      if (best == 0) {
        throw new CudaException(
            "NVRTC "
                + text(version)
                + " compiles for no GPU of compute capability "
                + capability / 10
                + "."
                + capability % 10
                + ": install an NVRTC that knows this GPU, or compute on the CPU");
      }
      machineCode = best == capability;
      architecture = (machineCode ? "sm_" : "compute_") + best;
    }
  }

  /** 1000·major + 10·minor. */
  int version() {
    return version;
  }

  /** The version of the NVRTC that is loaded: 1000·major + 10·minor. */
  static int ofSystem() {
    try (var arena = Arena.ofConfined()) {
      var major = arena.allocate(JAVA_INT);
      var minor = arena.allocate(JAVA_INT);
      check("nvrtcVersion", Nvrtc.nvrtcVersion(major, minor));
      return 1000 * major.get(JAVA_INT, 0) + 10 * minor.get(JAVA_INT, 0);
    }
  }

  static String text(int version) {
    return version / 1000 + "." + version % 1000 / 10;
  }

  /** What a compiled kernel depends on besides its source. */
  String target() {
    return architecture + " nvrtc " + version;
  }

  /**
   * What comes of a source.
   *
   * @param code machine code or PTX, as the driver loads it
   * @param log what the compiler had to say
   */
  record Result(byte[] code, String log) {}

  /**
   * Compiles.
   *
   * @param name of the source, for messages
   * @param headers names and texts of what it includes, in turn
   * @param options more of them
   * @throws CudaException with what the compiler says about an error
   */
  Result compile(String name, String source, List<String> headers, String... options) {
    try (var arena = Arena.ofConfined()) {
      int count = headers.size() / 2;
      var names = arena.allocate(ADDRESS, Math.max(1, count));
      var texts = arena.allocate(ADDRESS, Math.max(1, count));
      for (int i = 0; i < count; i++) {
        names.setAtIndex(ADDRESS, i, arena.allocateFrom(headers.get(2 * i)));
        texts.setAtIndex(ADDRESS, i, arena.allocateFrom(headers.get(2 * i + 1)));
      }
      var pointer = arena.allocate(ADDRESS);
      check(
          "nvrtcCreateProgram",
          Nvrtc.nvrtcCreateProgram(
              pointer, arena.allocateFrom(source), arena.allocateFrom(name), count, texts, names));
      try {
        var program = pointer.get(ADDRESS, 0);
        build(name, program, arena, options);
        byte[] code =
            machineCode
                ? bytes(program, arena, "CUBIN", Nvrtc::nvrtcGetCUBINSize, Nvrtc::nvrtcGetCUBIN)
                : bytes(program, arena, "PTX", Nvrtc::nvrtcGetPTXSize, Nvrtc::nvrtcGetPTX);
        return new Result(code, log(program, arena));
      } finally {
        Nvrtc.nvrtcDestroyProgram(pointer);
      }
    }
  }

  private void build(String name, MemorySegment program, Arena arena, String... more) {
    var options = new ArrayList<>(List.of("--gpu-architecture=" + architecture, "--std=c++17"));
    options.addAll(List.of(more));
    var list = arena.allocate(ADDRESS, options.size());
    for (int i = 0; i < options.size(); i++) {
      list.setAtIndex(ADDRESS, i, arena.allocateFrom(options.get(i)));
    }
    int status = Nvrtc.nvrtcCompileProgram(program, options.size(), list);
    if (status == Nvrtc.NVRTC_ERROR_COMPILATION()) {
      throw new CudaException(
          "NVRTC "
              + text(version)
              + " does not compile "
              + name
              + ": please report what it says, "
              + log(program, arena));
    }
    check("nvrtcCompileProgram of " + name, status);
  }

  private static String log(MemorySegment program, Arena arena) {
    byte[] log =
        bytes(program, arena, "Log", Nvrtc::nvrtcGetProgramLogSize, Nvrtc::nvrtcGetProgramLog);
    return new String(log, StandardCharsets.UTF_8).replace("\0", "").strip();
  }

  @FunctionalInterface
  private interface Getter {
    int get(MemorySegment program, MemorySegment to);
  }

  private static byte[] bytes(
      MemorySegment program, Arena arena, String what, Getter size, Getter content) {
    var bytes = arena.allocate(JAVA_LONG);
    check("nvrtcGet" + what + "Size", size.get(program, bytes));
    var to = arena.allocate(Math.max(1, bytes.get(JAVA_LONG, 0)));
    check("nvrtcGet" + what, content.get(program, to));
    return to.toArray(JAVA_BYTE);
  }

  private static void check(String call, int status) {
    if (status != Nvrtc.NVRTC_SUCCESS()) {
      throw new CudaException(
          call,
          status,
          NativeText.at(Nvrtc.nvrtcGetErrorString(status)),
          "",
          "see whether NVRTC and its built-in functions are of one version");
    }
  }
}
