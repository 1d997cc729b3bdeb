package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The lists hold what the sources call, no less and no more. */
class CudaFunctionsTest {
  private static final Path SOURCES =
      Path.of("src", "main", "java", "dev", "gatun", "runtime", "cuda");

  @Test
  void theListsAreComplete() throws IOException {
    assertCalled("Cuda", "cu", CudaFunctions.DRIVER);
    assertCalled("Nvrtc", "nvrtc", CudaFunctions.NVRTC);
    assertCalled("CublasLt", "cublas", CudaFunctions.CUBLAS_LT);
    assertCalled("Cudnn", "cudnn", CudaFunctions.CUDNN);
  }

  @Test
  void everySourceOfKernelsIsKnown() throws IOException {
    var folder = Path.of("src", "main", "resources", "dev", "gatun", "runtime", "cuda");
    try (var files = Files.list(folder)) {
      var names =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.endsWith(".cu"))
              .map(name -> name.replace(".cu", ""))
              .sorted()
              .toList();
      assertEquals(names, Kernels.SOURCES);
    }
  }

  private static void assertCalled(String bindings, String prefix, List<String> listed)
      throws IOException {
    var call = Pattern.compile("\\b" + bindings + "(?:\\.|::)(" + prefix + "[A-Z]\\w+)");
    var called = new TreeSet<String>();
    try (var files = Files.list(SOURCES)) {
      for (var file : files.toList()) {
        call.matcher(Files.readString(file)).results().forEach(r -> called.add(r.group(1)));
      }
    }
    assertEquals(List.copyOf(called), listed.stream().sorted().toList());
  }
}
