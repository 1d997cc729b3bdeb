package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.NvidiaLibrary;
import dev.gatun.bindings.loader.SearchPath;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.SoftwareDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What NVIDIA's own libraries say about our kernels and graphs, where they are on this machine;
 * they need no GPU for it.
 */
@EnabledOnOs(OS.LINUX)
class NvidiaLibrariesTest {
  private static final Pattern KERNEL =
      Pattern.compile("Compiling entry function '(\\w+)'|Used (\\d+) registers|(\\d+) bytes spill");

  /** GPUs as cuDNN wants them described; what matters is the architecture and the memories. */
  private enum Described {
    A100(800, 108, 166912),
    H100(900, 132, 232448),
    B200(1000, 148, 232448);

    private final int version;
    private final int multiprocessors;
    private final int shared;

    Described(int version, int multiprocessors, int shared) {
      this.version = version;
      this.multiprocessors = multiprocessors;
      this.shared = shared;
    }

    DnnTarget target() {
      return DnnTarget.Described.of(
          """
          {"deviceVer":%d,"multiProcessorCount":%d,"warpSize":32,"maxSharedMemoryPerBlock":49152,\
          "maxSharedMemoryPerBlockOptin":%d,"reservedSharedMemoryPerBlock":1024,\
          "maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,\
          "maxThreadsPerSM":2048,"regsPerBlock":65536,"totalGlobalMem":40000000000,\
          "smClockRateKHz":1400000,"l2CacheSize":41943040,"maxBlockSize":[1024,1024,64],\
          "memClockRateKHz":1200000,"maxGridSize":[2147483647,65535,65535],"supportCoopLaunch":1,\
          "pciDeviceId":0,"isTccDriver":0,"cudaDeviceId":0,"driverVer":13000,"deviceName":"%s"}"""
              .formatted(version, multiprocessors, shared, name()));
    }
  }

  @BeforeAll
  static void stub() throws IOException, InterruptedException {
    var folder = Path.of(System.getProperty(SearchPath.PROPERTY, "none"));
    assumeTrue(folder.endsWith("stubcuda"), "no folder for a stub: see runtime/pom.xml");
    var header =
        SoftwareDevice.headerFolders().stream()
            .map(headers -> headers.resolve("cuda.h"))
            .filter(Files::isReadable)
            .findFirst();
    if (header.isPresent()) {
      NvidiaStub.build(header.get(), folder);
    }
  }

  private static void need(NvidiaLibrary library) {
    assumeTrue(
        SearchPath.ofSystem().find(library).isPresent(),
        library.title() + " is not on this machine, so what it says was not tested");
    LibraryLoader.ofSystem().load(library);
  }

  @Test
  void theLibrariesTellTheirVersions() {
    need(NvidiaLibrary.NVRTC);
    need(NvidiaLibrary.CUBLAS_LT);
    need(NvidiaLibrary.CUDNN);
    assertTrue(new KernelCompiler(90).version() >= 12000);
    assertTrue(Blas.version().matches("1[23]\\.\\d+\\.\\d+"), Blas.version());
    assertTrue(Dnn.version().matches("9\\.\\d+\\.\\d+"), Dnn.version());
    System.out.println(
        "NVRTC "
            + KernelCompiler.text(new KernelCompiler(90).version())
            + ", cuBLASLt "
            + Blas.version()
            + ", cuDNN "
            + Dnn.version());
  }

  /** The stub has no device: whoever asks for one is told so. */
  @Test
  void withoutAGpuThereIsOneSentence() {
    need(NvidiaLibrary.DRIVER);
    var reason = Backend.unavailable(Device.Kind.CUDA, "cuda");
    assertTrue(reason.startsWith("cuInit failed with "), reason);
    assertFalse(reason.contains("\n"), reason);
  }

  @ParameterizedTest
  @ValueSource(ints = {80, 90, 100})
  void everyKernelCompilesWithoutSpills(int capability) throws IOException {
    need(NvidiaLibrary.NVRTC);
    var compiler = new KernelCompiler(capability);
    assertEquals("sm_" + capability, compiler.target().split(" ")[0]);
    var common = Kernels.resource(Kernels.COMMON);
    for (var source : Kernels.SOURCES) {
      var log =
          compiler
              .compile(
                  source + ".cu",
                  Kernels.resource(source + ".cu"),
                  List.of(Kernels.COMMON, common),
                  "--ptxas-options=-v")
              .log();
      requireNoSpills(source, capability, log);
    }
  }

  private static void requireNoSpills(String source, int capability, String log) {
    var matcher = KERNEL.matcher(log);
    var kernel = "";
    int kernels = 0;
    while (matcher.find()) {
      if (matcher.group(1) != null) {
        kernel = matcher.group(1);
      } else if (matcher.group(2) != null) {
        kernels++;
        System.out.printf(
            Locale.ROOT,
            "sm_%d %s.%s: %s registers%n",
            capability,
            source,
            kernel,
            matcher.group(2));
      } else {
        assertEquals("0", matcher.group(3), source + ".cu, " + kernel + " spills: " + log);
      }
    }
    assertTrue(kernels > 0, source + ".cu: the log tells no registers: " + log);
  }

  /** Shapes of the networks: those of kl-f8, ADM-64 and their likes. */
  @ParameterizedTest
  @CsvSource({
    // in, out, side, kernel, stride, top, bottom
    "3, 192, 64, 3, 1, 1, 1",
    "192, 192, 64, 3, 1, 1, 1",
    "192, 384, 32, 3, 1, 1, 1",
    "576, 576, 16, 3, 1, 1, 1",
    "1152, 768, 8, 3, 1, 1, 1",
    "576, 384, 32, 1, 1, 0, 0",
    "192, 192, 64, 3, 2, 1, 1",
    "192, 6, 64, 3, 1, 1, 1",
    "4, 4, 32, 1, 1, 0, 0",
    "4, 512, 32, 3, 1, 1, 1",
    "512, 512, 64, 3, 1, 1, 1",
    "256, 128, 256, 3, 1, 1, 1",
    "128, 3, 256, 3, 1, 1, 1",
    "128, 128, 256, 3, 2, 0, 1",
    "5, 7, 9, 3, 1, 1, 1"
  })
  void cudnnPlansEveryConvolution(
      int in, int out, int side, int kernel, int stride, int top, int bottom) {
    need(NvidiaLibrary.NVRTC);
    need(NvidiaLibrary.CUDNN);
    var spec = new Conv2dSpec(stride, top, top, bottom, bottom);
    for (var gpu : Described.values()) {
      for (boolean exact : new boolean[] {true, false}) {
        for (int alignment : new int[] {4, 16}) {
          var bare =
              new ConvolutionShape(
                  2,
                  side,
                  side,
                  in,
                  out,
                  kernel,
                  kernel,
                  spec,
                  true,
                  Activation.IDENTITY,
                  in,
                  0,
                  out,
                  alignment);
          try (var plan =
              DnnConvolution.plan(gpu.target(), bare, new Engines(exact, true, 512 << 20))) {
            assertNotNull(plan, gpu + ", " + (exact ? "f32" : "tf32") + ", " + bare);
            assertTrue(plan.fused().biased(), gpu + ": the bias is not fused");
          }
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"16, 72, 256, 256", "8, 64, 256, 77", "12, 128, 1024, 1024"})
  void cudnnPlansAttentionOnTensorCores(int heads, int size, int queries, int keys) {
    need(NvidiaLibrary.DRIVER);
    need(NvidiaLibrary.NVRTC);
    need(NvidiaLibrary.CUDNN);
    var shape = new DnnAttention.Shape(2, heads, size, queries, keys);
    for (var gpu : Described.values()) {
      try (var plan =
          DnnAttention.plan(gpu.target(), shape, new Engines(false, false, 512 << 20))) {
        assertNotNull(plan, gpu + ", " + shape);
      }
    }
  }
}
