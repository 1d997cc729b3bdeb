package dev.gatun.runtime.cuda;

import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.NvidiaLibrary;
import java.util.List;

/**
 * The functions that are called, so that a library that is too old is named before anything is
 * computed, and not by an error in the middle of it.
 */
final class CudaFunctions {
  static final List<String> DRIVER =
      List.of(
          "cuCtxSetCurrent",
          "cuDeviceGet",
          "cuDeviceGetAttribute",
          "cuDeviceGetCount",
          "cuDeviceGetDefaultMemPool",
          "cuDeviceGetName",
          "cuDevicePrimaryCtxRelease_v2",
          "cuDevicePrimaryCtxRetain",
          "cuDeviceTotalMem_v2",
          "cuDriverGetVersion",
          "cuEventCreate",
          "cuEventDestroy_v2",
          "cuEventRecord",
          "cuEventSynchronize",
          "cuGetErrorName",
          "cuGetErrorString",
          "cuGraphDestroy",
          "cuGraphExecDestroy",
          "cuGraphInstantiateWithFlags",
          "cuGraphLaunch",
          "cuInit",
          "cuLaunchKernel",
          "cuMemAllocAsync",
          "cuMemFreeAsync",
          "cuMemFreeHost",
          "cuMemGetInfo_v2",
          "cuMemHostAlloc",
          "cuMemPoolSetAttribute",
          "cuMemPoolTrimTo",
          "cuMemcpyDtoHAsync_v2",
          "cuMemcpyHtoDAsync_v2",
          "cuMemsetD8Async",
          "cuModuleGetFunction",
          "cuModuleLoadData",
          "cuModuleUnload",
          "cuStreamBeginCapture_v2",
          "cuStreamCreate",
          "cuStreamDestroy_v2",
          "cuStreamEndCapture",
          "cuStreamSynchronize");

  static final List<String> NVRTC =
      List.of(
          "nvrtcCompileProgram",
          "nvrtcCreateProgram",
          "nvrtcDestroyProgram",
          "nvrtcGetCUBIN",
          "nvrtcGetCUBINSize",
          "nvrtcGetErrorString",
          "nvrtcGetNumSupportedArchs",
          "nvrtcGetPTX",
          "nvrtcGetPTXSize",
          "nvrtcGetProgramLog",
          "nvrtcGetProgramLogSize",
          "nvrtcGetSupportedArchs",
          "nvrtcVersion");

  static final List<String> CUBLAS_LT =
      List.of(
          "cublasLtCreate",
          "cublasLtDestroy",
          "cublasLtGetCudartVersion",
          "cublasLtGetStatusName",
          "cublasLtGetStatusString",
          "cublasLtGetVersion",
          "cublasLtMatmul",
          "cublasLtMatmulAlgoGetHeuristic",
          "cublasLtMatmulDescCreate",
          "cublasLtMatmulDescDestroy",
          "cublasLtMatmulDescSetAttribute",
          "cublasLtMatmulPreferenceCreate",
          "cublasLtMatmulPreferenceDestroy",
          "cublasLtMatmulPreferenceSetAttribute",
          "cublasLtMatrixLayoutCreate",
          "cublasLtMatrixLayoutDestroy");

  static final List<String> CUDNN =
      List.of(
          "cudnnBackendCreateDescriptor",
          "cudnnBackendDestroyDescriptor",
          "cudnnBackendExecute",
          "cudnnBackendFinalize",
          "cudnnBackendGetAttribute",
          "cudnnBackendSetAttribute",
          "cudnnCreate",
          "cudnnDestroy",
          "cudnnGetCudartVersion",
          "cudnnGetErrorString",
          "cudnnGetLastErrorString",
          "cudnnGetVersion",
          "cudnnSetStream");

  private CudaFunctions() {}

  /**
   * Loads a library and sees to it that it has all that is called.
   *
   * @throws dev.gatun.bindings.loader.MissingLibraryException if it is missing, or too old
   */
  static void require(NvidiaLibrary library) {
    LibraryLoader.ofSystem().load(library);
    for (var function : of(library)) {
      LibraryLoader.ofSystem().require(library, function);
    }
  }

  private static List<String> of(NvidiaLibrary library) {
    return switch (library) {
      case DRIVER -> DRIVER;
      case NVRTC -> NVRTC;
      case CUBLAS_LT -> CUBLAS_LT;
      case CUDNN -> CUDNN;
      case NVRTC_BUILTINS, CUBLAS -> List.of();
    };
  }
}
