package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cuda.Cuda;
import java.util.Map;

/** A call of CUDA that failed: its name, NVIDIA's name and text of the status, and the cure. */
final class CudaException extends RuntimeException {
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
              + " install one driver");

  private final int status;

  CudaException(String call, int status, String name, String text) {
    super(
        call
            + " failed with "
            + (name.isEmpty() ? "status " + status : name)
            + (text.isEmpty() ? "" : " (" + text + ")")
            + ": "
            + CURES.getOrDefault(status, "see what nvidia-smi says about the GPU"));
    this.status = status;
  }

  /** NVIDIA's number. */
  int status() {
    return status;
  }
}
