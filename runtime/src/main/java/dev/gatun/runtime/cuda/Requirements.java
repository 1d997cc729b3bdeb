package dev.gatun.runtime.cuda;

import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.MissingLibraryException;
import dev.gatun.bindings.loader.NvidiaLibrary;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.util.List;

/**
 * What computing on a GPU takes, looked for in the order in which people can do something about it:
 * a driver, a GPU, then the libraries.
 */
final class Requirements {
  private static final List<NvidiaLibrary> LIBRARIES =
      List.of(NvidiaLibrary.NVRTC, NvidiaLibrary.CUBLAS_LT, NvidiaLibrary.CUDNN);

  private static final int OLDEST = 12000;

  /** First part of the compute capability of the first GPUs that multiply numbers in bf16. */
  private static final int AMPERE = 8;

  private Requirements() {}

  /** Why nothing can be computed on a GPU, in one sentence; empty if something can. */
  static String missing() {
    try {
      CudaFunctions.require(NvidiaLibrary.DRIVER);
      var driver = Driver.open();
      if (driver.version() < OLDEST) {
        return "the NVIDIA driver knows CUDA "
            + KernelCompiler.text(driver.version())
            + " at most: install one that knows CUDA 12";
      }
      if (driver.gpus().isEmpty()) {
        return "the NVIDIA driver shows no GPU: see whether CUDA_VISIBLE_DEVICES hides it";
      }
      if (!driver.hasMemoryPools()) {
        return "the GPU " + driver.gpus().getFirst() + " has no memory pools: compute on the CPU";
      }
      // Libraries of a newer CUDA than the driver's do not work with it.
      LibraryLoader.ofSystem().prefer(driver.version() / 1000);
      LIBRARIES.forEach(CudaFunctions::require);
      int newest = Math.max(newestLibrary(), Dnn.cudaVersion());
      return newest / 1000 <= driver.version() / 1000
          ? ""
          : "the NVIDIA driver knows CUDA "
              + KernelCompiler.text(driver.version())
              + ", but the libraries that were found are of CUDA "
              + KernelCompiler.text(newest)
              + ": install a newer driver, or libraries of CUDA "
              + driver.version() / 1000;
    } catch (MissingLibraryException | CudaException e) {
      return e.getMessage();
    }
  }

  private static int newestLibrary() {
    return Math.max(KernelCompiler.ofSystem(), Blas.cudaVersion());
  }

  /** Why a GPU does not compute in a precision, in one sentence; empty if it does. */
  static String missing(Device device, Precision precision) {
    if (precision == Precision.F32) {
      return "";
    }
    var products = Products.of(precision);
    if (products.precision() != precision) {
      return "-D" + Products.PROPERTY + "=" + products + " says otherwise: leave that option out";
    }
    return Driver.open().gpus().stream()
        .filter(gpu -> gpu.index() == device.index() && gpu.major() < AMPERE)
        .findFirst()
        .map(gpu -> "the GPU " + gpu + " multiplies no bf16: compute in f32")
        .orElse("");
  }

  /**
   * Opens a GPU.
   *
   * @throws UnsupportedOperationException if it cannot be used; the message says why
   */
  static Backend open(Device device, Precision precision) {
    try {
      var gpus = Driver.open().gpus();
      if (device.index() >= gpus.size()) {
        throw new UnsupportedOperationException(
            "there is no "
                + device
                + ": the NVIDIA driver shows "
                + (gpus.size() == 1 ? "one GPU, cuda:0" : gpus.size() + " GPUs, from cuda:0"));
      }
      return new CudaBackend(device, gpus.get(device.index()), Products.of(precision));
    } catch (MissingLibraryException | CudaException e) {
      throw new UnsupportedOperationException(e.getMessage(), e);
    }
  }
}
