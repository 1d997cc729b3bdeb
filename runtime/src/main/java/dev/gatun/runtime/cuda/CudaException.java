package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cuda.Cuda;
import dev.gatun.runtime.DeviceException;
import java.util.Map;

/**
 * A call of CUDA or one of its libraries that failed: its name, NVIDIA's name and text of the
 * status, and the cure.
 */
final class CudaException extends DeviceException {
  private static final long serialVersionUID = 1;

  private static final Map<Integer, String> CURES =
      Map.of(
          Cuda.CUDA_ERROR_NO_DEVICE(),
          "see with nvidia-smi whether the driver knows a GPU, and whether CUDA_VISIBLE_DEVICES hides"
              + " it",
          Cuda.CUDA_ERROR_OUT_OF_MEMORY(),
          "take a smaller batch, or end other programs on this GPU",
          Cuda.CUDA_ERROR_STUB_LIBRARY(),
          "the libcuda.so.1 that was found is the toolkit's stub for linking: put the driver's own"
              + " before it",
          Cuda.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH(),
          "the library and the kernel module are of different drivers: restart the machine, or"
              + " install one driver",
          Cuda.CUDA_ERROR_UNSUPPORTED_PTX_VERSION(),
          "NVRTC is newer than the driver: install a newer driver, or an older NVRTC");

  private final int status;

  /** A call of the driver. */
  CudaException(String call, int status, String name, String text) {
    this(
        call,
        status,
        name,
        text,
        CURES.getOrDefault(status, "see what nvidia-smi says about the GPU"));
  }

  /**
   * A call of any library.
   *
   * @param name of the status, or empty
   * @param text of the status, or empty
   */
  CudaException(String call, int status, String name, String text, String cure) {
    super(
        call
            + " failed with "
            + (name.isEmpty() ? "status " + status : name)
            + (text.isEmpty() ? "" : " (" + text + ")")
            + ": "
            + cure);
    this.status = status;
  }

  /** Something else, with its cure. */
  CudaException(String sentence) {
    super(sentence);
    status = 0;
  }

  /** NVIDIA's number, or 0 where there is none. */
  int status() {
    return status;
  }
}
