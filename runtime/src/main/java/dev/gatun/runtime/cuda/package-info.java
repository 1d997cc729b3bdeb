/**
 * The backend for NVIDIA's GPUs: {@link dev.gatun.runtime.cuda.CudaBackend} on the CUDA driver,
 * cuBLASLt, cuDNN and NVRTC. Nothing here is loaded until somebody asks for a GPU.
 */
package dev.gatun.runtime.cuda;
