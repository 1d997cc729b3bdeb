package dev.gatun.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.bindings.cublas.Cublas;
import dev.gatun.bindings.cublaslt.CublasLt;
import dev.gatun.bindings.cuda.Cuda;
import dev.gatun.bindings.cudnn.Cudnn;
import dev.gatun.bindings.nvrtc.Nvrtc;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is checked in is what the lists of jextract's arguments ask for. */
class GeneratedTest {
  @ParameterizedTest
  @CsvSource({"cuda, 76", "nvrtc, 15", "cublas, 17", "cublasLt, 23", "cudnn, 45"})
  void theListedFunctionsAndConstantsAreThere(String list, int functions) throws IOException {
    var methods =
        Arrays.stream(header(list).getMethods()).map(Method::getName).collect(Collectors.toSet());
    assertEquals(functions, included(list, "function", methods));
    assertTrue(included(list, "constant", methods) > 0);
  }

  /** Constants need no library: a machine without CUDA loads these classes without one. */
  @ParameterizedTest
  @CsvSource({
    "cuda, CUDA_ERROR_NO_DEVICE, 100",
    "nvrtc, NVRTC_ERROR_COMPILATION, 6",
    "cublas, CUBLAS_STATUS_NOT_INITIALIZED, 1",
    "cublasLt, CUBLASLT_EPILOGUE_BIAS, 4",
    "cudnn, CUDNN_STATUS_NOT_INITIALIZED, 1001"
  })
  void constantsNeedNoLibrary(String list, String name, int value)
      throws ReflectiveOperationException {
    assertEquals(value, header(list).getMethod(name).invoke(null));
  }

  private static long included(String list, String kind, Set<String> methods) throws IOException {
    var option = "--include-" + kind + " ";
    var names =
        Files.readAllLines(Path.of("jextract", list + ".args")).stream()
            .filter(line -> line.startsWith(option))
            .map(line -> line.substring(option.length()).strip())
            .toList();
    for (var name : names) {
      assertTrue(methods.contains(name), () -> list + " has no " + kind + " " + name);
    }
    return names.size();
  }

  private static Class<?> header(String list) {
    return switch (list) {
      case "cuda" -> Cuda.class;
      case "nvrtc" -> Nvrtc.class;
      case "cublas" -> Cublas.class;
      case "cublasLt" -> CublasLt.class;
      case "cudnn" -> Cudnn.class;
      default -> throw new IllegalArgumentException(list);
    };
  }
}
