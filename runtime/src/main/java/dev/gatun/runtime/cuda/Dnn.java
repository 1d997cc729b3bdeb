package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.gatun.bindings.cudnn.Cudnn;
import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.NativeText;
import dev.gatun.bindings.loader.NvidiaLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** cuDNN, open in the current context for a stream, whose every status is checked. */
final class Dnn implements AutoCloseable {
  private static final int MOST_TEXT = 1024;

  private final MemorySegment handle;

  /**
   * Loads and opens it.
   *
   * @throws dev.gatun.bindings.loader.MissingLibraryException if it is not there
   */
  Dnn(Stream stream) {
    load();
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      check("cudnnCreate", Cudnn.cudnnCreate(pointer));
      handle = pointer.get(ADDRESS, 0);
    }
    try {
      check("cudnnSetStream", Cudnn.cudnnSetStream(handle, stream.handle()));
    } catch (CudaException e) {
      close();
      throw e;
    }
  }

  private static void load() {
    // Before cuDNN, which looks for NVRTC by name when it makes kernels of its own.
    LibraryLoader.ofSystem().load(NvidiaLibrary.NVRTC);
    LibraryLoader.ofSystem().load(NvidiaLibrary.CUDNN);
  }

  /** The library's. */
  MemorySegment handle() {
    return handle;
  }

  /** For example {@code 9.24.0}. */
  static String version() {
    load();
    long version = Cudnn.cudnnGetVersion();
    return version / 10000 + "." + version / 100 % 100 + "." + version % 100;
  }

  /** The CUDA that it is of: 1000·major + 10·minor. */
  static int cudaVersion() {
    return Math.toIntExact(Cudnn.cudnnGetCudartVersion());
  }

  static void check(String call, int status) {
    if (status != Cudnn.CUDNN_STATUS_SUCCESS()) {
      throw new CudaException(
          call,
          status,
          NativeText.at(Cudnn.cudnnGetErrorString(status)),
          lastError(),
          "see whether cuDNN fits the driver, and with CUDNN_LOGLEVEL_DBG=2"
              + " CUDNN_LOGDEST_DBG=stderr what it says");
    }
  }

  /**
   * Why the last call of this thread failed, the first line of it; the library forgets it when it
   * is asked.
   */
  static String lastError() {
    try (var arena = Arena.ofConfined()) {
      var text = arena.allocate(MOST_TEXT);
      Cudnn.cudnnGetLastErrorString(text, MOST_TEXT);
      return text.getString(0).strip().lines().findFirst().orElse("");
    }
  }

  @Override
  public void close() {
    Driver.closing(() -> check("cudnnDestroy", Cudnn.cudnnDestroy(handle)));
  }
}
