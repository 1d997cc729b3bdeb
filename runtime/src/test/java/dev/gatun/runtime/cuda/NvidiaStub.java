package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * A driver without a device, for cuDNN to plan with: every function of {@code cuda.h} is there and
 * answers that it is a stub, but for those that load code, which pretend to. Made from the names in
 * NVIDIA's header.
 */
final class NvidiaStub {
  private static final Pattern FUNCTION = Pattern.compile("\\bCUDAAPI\\s+(cu[A-Z]\\w*)\\s*\\(");

  /** The header's names lead to versions of functions; a library has the first ones as well. */
  private static final Pattern VERSION =
      Pattern.compile("#define\\s+(cu[A-Z]\\w*)\\s+(cu[A-Z]\\w*)");

  private static final String PRETENDING =
      """
      int cuDriverGetVersion(int* version) { *version = 13000; return 0; }
      int cuFuncSetAttribute(void) { return 0; }
      int cuKernelGetFunction(void** to) { *to = (void*) 16; return 0; }
      int cuKernelSetAttribute(void) { return 0; }
      int cuLibraryGetKernel(void** to) { *to = (void*) 16; return 0; }
      int cuLibraryGetModule(void** to) { *to = (void*) 16; return 0; }
      int cuLibraryLoadData(void** to) { *to = (void*) 16; return 0; }
      int cuLibraryUnload(void) { return 0; }
      int cuModuleGetFunction(void** to) { *to = (void*) 16; return 0; }
      int cuModuleLoadData(void** to) { *to = (void*) 16; return 0; }
      int cuModuleLoadDataEx(void** to) { *to = (void*) 16; return 0; }
      int cuModuleUnload(void) { return 0; }
      """;

  private NvidiaStub() {}

  /** Compiles it into a folder. */
  static void build(Path header, Path folder) throws IOException, InterruptedException {
    var names = new TreeSet<String>();
    var text = Files.readString(header);
    FUNCTION.matcher(text).results().forEach(found -> names.add(found.group(1)));
    VERSION.matcher(text).results().forEach(found -> names.add(found.group(2)));
    var source = new StringBuilder(PRETENDING);
    for (var name : names) {
      if (!PRETENDING.contains(" " + name + "(")) {
        source.append("int ").append(name).append("(void) { return 34; }\n");
      }
    }
    Files.createDirectories(folder);
    var file = Files.writeString(folder.resolve("stub.c"), source);
    var compiler =
        new ProcessBuilder(
                "gcc",
                "-shared",
                "-fPIC",
                "-Wl,-soname,libcuda.so.1",
                "-o",
                folder.resolve("libcuda.so.1").toString(),
                file.toString())
            .redirectErrorStream(true)
            .start();
    var said = new String(compiler.getInputStream().readAllBytes());
    assertEquals(0, compiler.waitFor(), said);
  }
}
