package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.DeviceException;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.SoftwareDevice;
import dev.gatun.runtime.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A small step with everything in it, in which one call fails, whichever: the first of a function,
 * the second, and so on. Either one sentence says so or the work goes on without, and all memory
 * and objects are given back.
 */
@EnabledOnOs(OS.LINUX)
class FailuresTest {
  /** How many of the calls of a function fail in turn: the first ones and the last. */
  private static final int MOST = 12;

  private static SoftwareDevice software;
  private static int injected;

  @BeforeAll
  static void open() {
    software = SoftwareDevice.open();
  }

  @AfterAll
  static void count() {
    System.out.println("failures injected: " + injected);
    assertTrue(injected == 0 || injected >= 100, injected + " failures");
  }

  /** Weights, a step twice eager and twice recorded, a result. */
  private static void step() {
    try (var backend = Backend.open(new Device(Device.Kind.CUDA, 0));
        var owned = new Owned(backend)) {
      var x = owned.filled(1, 4, 4, 8);
      var tokens = x.reshape(1, 16, 8);
      var out = owned.filled(1, 4, 4, 8);
      var attended = owned.filled(1, 16, 8);
      var vector = owned.filled(8);
      var row = owned.filled(1, 8);
      try (var matrix = host(8, 8);
          var weight = backend.pack(matrix);
          var window = host(8, 8, 3, 3);
          var kernel = backend.packKernel(window);
          var replay =
              backend.replay(
                  () -> {
                    backend.groupNorm(x, 2, vector, vector, row, row, 1e-5f, Activation.SILU, x);
                    backend.conv2d(x, kernel, Conv2dSpec.same(3), Epilogue.bias(vector), null, out);
                    backend.linear(
                        out.reshape(1, 16, 8),
                        weight,
                        new Epilogue(vector, Activation.GELU_TANH),
                        row,
                        tokens,
                        tokens);
                    backend.attention(tokens, tokens, tokens, AttentionSpec.of(2, 4), attended);
                    backend.layerNorm(attended, vector, vector, row, row, 1e-5f, attended);
                    backend.upsampleNearest(x, owned.filled);
                    backend.combine(0.5, attended, 0.5, tokens, tokens);
                  })) {
        for (int i = 0; i < 4; i++) {
          replay.run();
        }
        try (var host = Tensor.allocate(DType.F32, tokens.shape())) {
          backend.copy(tokens, host);
          for (float value : host.toFloats()) {
            assertTrue(Float.isFinite(value));
          }
        }
      }
    }
  }

  private static Tensor host(int... dims) {
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    for (long i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, (i * 7 % 11 - 5) / 11f);
    }
    return tensor;
  }

  /** Tensors of the device, closed together. */
  private static final class Owned implements AutoCloseable {
    private final Backend backend;
    private final List<Tensor> tensors = new ArrayList<>();
    private final Tensor filled;

    Owned(Backend backend) {
      this.backend = backend;
      filled = filled(1, 8, 8, 8);
    }

    Tensor filled(int... dims) {
      var tensor = backend.allocate(DType.F32, Shape.of(dims));
      tensors.add(tensor);
      try (var host = host(dims)) {
        backend.copy(host, tensor);
      } catch (RuntimeException e) {
        close();
        throw e;
      }
      return tensor;
    }

    @Override
    public void close() {
      tensors.forEach(Tensor::close);
    }
  }

  @Test
  void withoutFailureNothingIsLeft() {
    software.reset(1);
    step();
    assertClean("the step");
  }

  private static void assertClean(String what) {
    assertEquals("", software.report(), what);
    assertEquals(0, software.bytes(), what + " leaves device memory");
    assertEquals(0, software.live(), what + " leaves objects");
    assertEquals(0, software.contexts(), what + " leaves a context");
  }

  /**
   * The function, the status that it returns, and what becomes of it: {@code fails} if a sentence
   * must say so, {@code goes on} if there is another way, {@code either}.
   */
  @ParameterizedTest
  @CsvSource({
    "cuInit, 3, fails",
    "cuDeviceGetCount, 3, fails",
    "cuDeviceGet, 101, fails",
    "cuDeviceGetName, 101, fails",
    "cuDeviceTotalMem_v2, 101, fails",
    "cuDeviceGetAttribute, 1, fails",
    "cuDevicePrimaryCtxRetain, 2, fails",
    "cuCtxSetCurrent, 201, either",
    "cuStreamCreate, 2, fails",
    "cuDeviceGetDefaultMemPool, 1, fails",
    "cuMemPoolSetAttribute, 1, fails",
    "cuMemAllocAsync, 2, fails",
    "cuMemsetD8Async, 1, fails",
    "cuMemHostAlloc, 2, fails",
    "cuEventCreate, 2, fails",
    "cuEventRecord, 400, fails",
    "cuEventSynchronize, 700, fails",
    "cuMemcpyHtoDAsync_v2, 1, fails",
    "cuMemcpyDtoHAsync_v2, 1, fails",
    "cuModuleLoadData, 209, fails",
    "cuModuleGetFunction, 500, fails",
    "cuLaunchKernel, 719, either",
    "cuStreamBeginCapture_v2, 900, goes on",
    "cuGraphInstantiateWithFlags, 2, either",
    "cuGraphLaunch, 719, fails",
    "nvrtcVersion, 1, fails",
    "nvrtcGetNumSupportedArchs, 1, fails",
    "nvrtcGetSupportedArchs, 1, fails",
    "nvrtcCreateProgram, 1, fails",
    "nvrtcCompileProgram, 7, fails",
    "nvrtcGetCUBINSize, 4, fails",
    "nvrtcGetCUBIN, 4, fails",
    "cublasLtCreate, 1, fails",
    "cublasLtMatmulDescCreate, 3, fails",
    "cublasLtMatmulDescSetAttribute, 7, fails",
    "cublasLtMatrixLayoutCreate, 3, fails",
    "cublasLtMatmulPreferenceCreate, 3, fails",
    "cublasLtMatmulPreferenceSetAttribute, 7, fails",
    "cublasLtMatmulAlgoGetHeuristic, 7, fails",
    "cublasLtMatmul, 13, either",
    "cudnnCreate, 1001, fails",
    "cudnnSetStream, 2000, fails",
    "cudnnBackendCreateDescriptor, 1002, either",
    "cudnnBackendSetAttribute, 2000, either",
    "cudnnBackendFinalize, 3000, either",
    "cudnnBackendGetAttribute, 2000, fails",
    "cudnnBackendExecute, 5000, either"
  })
  void everyFailureIsOneSentence(String function, int status, String outcome) {
    System.setProperty(KernelCache.PROPERTY, function.startsWith("nvrtc") ? "" : cache());
    try {
      software.reset(1);
      step();
      int calls = software.calls(function);
      assertTrue(calls > 0, function + " is not called at all");
      for (int n = 1; n <= calls; n++) {
        if (n > MOST / 2 && n <= calls - MOST / 2) {
          continue;
        }
        inject(function, n, status, outcome);
      }
    } finally {
      System.setProperty(KernelCache.PROPERTY, cache());
    }
  }

  private static final String CACHE = System.getProperty(KernelCache.PROPERTY, "");

  private static String cache() {
    return CACHE;
  }

  private static void inject(String function, int n, int status, String outcome) {
    software.reset(1);
    software.failAt(function, n, status);
    injected++;
    var what = "call " + n + " of " + function;
    var sentence = "";
    try {
      step();
    } catch (DeviceException | UnsupportedOperationException e) {
      sentence = e.getMessage();
    }
    if (outcome.equals("fails")) {
      var name = function.replaceFirst("(_v\\d|WithFlags)$", "");
      assertTrue(sentence.contains(name), what + ": " + sentence);
    } else if (outcome.equals("goes on")) {
      assertEquals("", sentence, what);
    }
    assertFalse(sentence.contains("\n"), sentence);
    assertTrue(sentence.isEmpty() || sentence.contains(": "), "no cure: " + sentence);
    assertClean(what);
  }
}
