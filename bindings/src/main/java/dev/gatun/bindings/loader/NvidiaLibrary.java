package dev.gatun.bindings.loader;

import java.util.List;

/**
 * NVIDIA's libraries that Gatun calls, with the names under which Linux knows them and the way to
 * get them. The bindings are those of CUDA 13 and cuDNN 9; the functions that Gatun calls are the
 * same in CUDA 12, whose libraries are taken where there are no newer ones.
 */
public enum NvidiaLibrary {
  /** The driver's own library, which knows the devices. It comes with the driver alone. */
  DRIVER("the NVIDIA driver", List.of("libcuda.so.1"), "install NVIDIA's driver"),

  /** What {@link #NVRTC} needs to compile, and does not find by itself. */
  NVRTC_BUILTINS(
      "NVRTC's built-in functions",
      List.of("libnvrtc-builtins.so.13.*", "libnvrtc-builtins.so.12.*"),
      "pip install nvidia-cuda-nvrtc"),

  /** The compiler of CUDA C++ at run time. */
  NVRTC("NVRTC", List.of("libnvrtc.so.13", "libnvrtc.so.12"), "pip install nvidia-cuda-nvrtc"),

  /** Matrix products with epilogues. */
  CUBLAS_LT(
      "cuBLASLt", List.of("libcublasLt.so.13", "libcublasLt.so.12"), "pip install nvidia-cublas"),

  /** Matrix products. */
  CUBLAS("cuBLAS", List.of("libcublas.so.13", "libcublas.so.12"), "pip install nvidia-cublas"),

  /** Convolutions and attention. */
  CUDNN("cuDNN", List.of("libcudnn.so.9"), "pip install nvidia-cudnn-cu13");

  /** The newest CUDA whose libraries are known. */
  private static final int NEWEST = 13;

  private final String title;
  private final List<String> fileNames;
  private final String cure;

  NvidiaLibrary(String title, List<String> fileNames, String cure) {
    this.title = title;
    this.fileNames = fileNames;
    this.cure = cure;
  }

  /** What people call it. */
  public String title() {
    return title;
  }

  /** Its file names, the preferred one first; {@code *} stands for any characters. */
  public List<String> fileNames() {
    return fileNames;
  }

  /** Those of a CUDA whose major version is at most this one; cuDNN's name tells none. */
  public List<String> fileNames(int most) {
    return fileNames.stream()
        .filter(name -> most >= NEWEST || !name.contains(".so." + NEWEST))
        .toList();
  }

  /** What to do where it is missing. */
  public String cure() {
    return cure;
  }

  /**
   * The library that this one belongs to and lies beside, or null: with several versions on a
   * machine, any other would not fit.
   */
  public NvidiaLibrary partOf() {
    return switch (this) {
      case NVRTC_BUILTINS -> NVRTC;
      case CUBLAS_LT -> CUBLAS;
      case DRIVER, NVRTC, CUBLAS, CUDNN -> null;
    };
  }

  /** The libraries that must be loaded before this one. */
  public List<NvidiaLibrary> needs() {
    return switch (this) {
      case DRIVER, NVRTC_BUILTINS, CUBLAS_LT, CUDNN -> List.of();
      case NVRTC -> List.of(NVRTC_BUILTINS);
      case CUBLAS -> List.of(CUBLAS_LT);
    };
  }
}
