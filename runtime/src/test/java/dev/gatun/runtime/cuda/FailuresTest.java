package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.DeviceException;
import dev.gatun.runtime.SoftwareDevice;
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

  private static void step() {
    try (var backend = Backend.open(new Device(Device.Kind.CUDA, 0))) {
      for (float value : SmallStep.run(backend)) {
        assertTrue(Float.isFinite(value));
      }
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
    "cudnnBackendGetAttribute, 2000, either",
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
