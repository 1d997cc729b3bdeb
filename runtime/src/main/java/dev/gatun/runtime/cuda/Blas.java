package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.gatun.bindings.cublaslt.CublasLt;
import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.NativeText;
import dev.gatun.bindings.loader.NvidiaLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** cuBLASLt, open in the current context, whose every status is checked. */
final class Blas implements AutoCloseable {
  private final MemorySegment handle;

  /**
   * Loads and opens it.
   *
   * @throws dev.gatun.bindings.loader.MissingLibraryException if it is not there
   */
  Blas() {
    LibraryLoader.ofSystem().load(NvidiaLibrary.CUBLAS_LT);
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      check("cublasLtCreate", CublasLt.cublasLtCreate(pointer));
      handle = pointer.get(ADDRESS, 0);
    }
  }

  /** The library's. */
  MemorySegment handle() {
    return handle;
  }

  /** For example {@code 13.1.1}. */
  static String version() {
    LibraryLoader.ofSystem().load(NvidiaLibrary.CUBLAS_LT);
    long version = CublasLt.cublasLtGetVersion();
    return version / 10000 + "." + version / 100 % 100 + "." + version % 100;
  }

  /** The CUDA that it is of: 1000·major + 10·minor. */
  static int cudaVersion() {
    return Math.toIntExact(CublasLt.cublasLtGetCudartVersion());
  }

  static void check(String call, int status) {
    if (status != CublasLt.CUBLAS_STATUS_SUCCESS()) {
      throw new CudaException(
          call,
          status,
          NativeText.at(CublasLt.cublasLtGetStatusName(status)),
          NativeText.at(CublasLt.cublasLtGetStatusString(status)),
          "see whether cuBLASLt fits the driver, and with CUBLASLT_LOG_LEVEL=1 what it says");
    }
  }

  @Override
  public void close() {
    Driver.closing(() -> check("cublasLtDestroy", CublasLt.cublasLtDestroy(handle)));
  }
}
