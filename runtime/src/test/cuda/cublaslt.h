// What the parts of the software cuBLASLt share: its objects, as they are behind the handles.
#pragma once

#include "cuda_blas.h"
#include "handles.h"
#include "soft.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

// Begins every exported function: counts the call and returns the status of an injected failure.
#define ENTER(function)                             \
  do {                                              \
    int injected = soft::enter(function);           \
    if (injected != 0) {                            \
      return static_cast<cublasStatus_t>(injected); \
    }                                               \
  } while (0)

// Reports why a call is refused, and refuses it.
#define REFUSE(status, ...)    \
  do {                         \
    soft::report(__VA_ARGS__); \
    return (status);           \
  } while (0)

namespace blas {

struct Library {};

struct Layout {
  int32_t type;
  uint64_t rows;
  uint64_t columns;
  int64_t ld;
  int32_t batch = 1;
  int64_t stride = 0;
  int32_t order = CUBLASLT_ORDER_COL;
};

struct Description {
  int32_t compute;
  int32_t scale;
  int32_t pointerMode = CUBLASLT_POINTER_MODE_HOST;
  int32_t transposeA = CUBLAS_OP_N;
  int32_t transposeB = CUBLAS_OP_N;
  int32_t transposeC = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  int64_t biasStride = 0;
  int32_t biasType = -1;  // that of D
};

struct Preference {
  uint32_t searchMode = 0;
  uint64_t workspace = 0;
  uint32_t reductions = ~0u;
  uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C and D
};

extern soft::Handles<Library> libraries;
extern soft::Handles<Layout> layouts;
extern soft::Handles<Description> descriptions;
extern soft::Handles<Preference> preferences;

}  // namespace blas
