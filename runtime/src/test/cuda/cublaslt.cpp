// A cuBLASLt in software: its handles and descriptors, strict about how they are used. The product itself is in
// cublaslt_matmul.cpp. What a function, a status and an attribute mean is in NVIDIA's "cuBLAS".
#include "cublaslt.h"

#include <cstring>
#include <map>

// Whichever header they come from, these are the numbers that Java calls with.
static_assert(CUBLAS_STATUS_SUCCESS == 0 && CUBLAS_STATUS_NOT_INITIALIZED == 1 && CUBLAS_STATUS_ALLOC_FAILED == 3);
static_assert(CUBLAS_STATUS_INVALID_VALUE == 7 && CUBLAS_STATUS_ARCH_MISMATCH == 8 &&
              CUBLAS_STATUS_MAPPING_ERROR == 11);
static_assert(CUBLAS_STATUS_EXECUTION_FAILED == 13 && CUBLAS_STATUS_INTERNAL_ERROR == 14);
static_assert(CUBLAS_STATUS_NOT_SUPPORTED == 15);
static_assert(CUBLAS_OP_N == 0 && CUBLAS_OP_T == 1 && CUBLAS_OP_C == 2);
static_assert(CUBLAS_COMPUTE_32F == 68 && CUBLAS_COMPUTE_32F_PEDANTIC == 69);
static_assert(CUBLAS_COMPUTE_32F_FAST_16BF == 75 && CUBLAS_COMPUTE_32F_FAST_TF32 == 77);
static_assert(CUDA_R_32F == 0 && CUDA_R_16F == 2 && CUDA_R_16BF == 14);
static_assert(CUBLASLT_POINTER_MODE_HOST == 0 && CUBLASLT_ORDER_COL == 0);
static_assert(CUBLASLT_MATRIX_LAYOUT_TYPE == 0 && CUBLASLT_MATRIX_LAYOUT_ORDER == 1 &&
              CUBLASLT_MATRIX_LAYOUT_ROWS == 2);
static_assert(CUBLASLT_MATRIX_LAYOUT_COLS == 3 && CUBLASLT_MATRIX_LAYOUT_LD == 4);
static_assert(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT == 5 && CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET == 6);
static_assert(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE == 0 && CUBLASLT_MATMUL_DESC_SCALE_TYPE == 1);
static_assert(CUBLASLT_MATMUL_DESC_POINTER_MODE == 2 && CUBLASLT_MATMUL_DESC_TRANSA == 3 &&
              CUBLASLT_MATMUL_DESC_TRANSB == 4);
static_assert(CUBLASLT_MATMUL_DESC_TRANSC == 5 && CUBLASLT_MATMUL_DESC_EPILOGUE == 7);
static_assert(CUBLASLT_MATMUL_DESC_BIAS_POINTER == 8 && CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE == 10);
static_assert(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE == 26);
static_assert(CUBLASLT_EPILOGUE_DEFAULT == 1 && CUBLASLT_EPILOGUE_RELU == 2 && CUBLASLT_EPILOGUE_BIAS == 4);
static_assert(CUBLASLT_EPILOGUE_RELU_BIAS == 6 && CUBLASLT_EPILOGUE_GELU == 32 && CUBLASLT_EPILOGUE_GELU_BIAS == 36);
static_assert(CUBLASLT_MATMUL_PREF_SEARCH_MODE == 0 && CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES == 1);
static_assert(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK == 3 && CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES == 5);
static_assert(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES == 6 && CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES == 7);
static_assert(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES == 8);
static_assert(sizeof(cublasLtMatmulAlgo_t) == 64 && sizeof(cublasLtMatmulHeuristicResult_t) == 96);
static_assert(offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) == 64);
static_assert(offsetof(cublasLtMatmulHeuristicResult_t, state) == 72);

namespace blas {

soft::Handles<Library> libraries;
soft::Handles<Layout> layouts;
soft::Handles<Description> descriptions;
soft::Handles<Preference> preferences;

}  // namespace blas

using namespace blas;

namespace {

constexpr size_t VERSION = 130101;

struct Status {
  const char* name;
  const char* text;
};

#define STATUS(status, text)  \
  {                           \
    status, { #status, text } \
  }
const std::map<int, Status> STATUSES = {
    STATUS(CUBLAS_STATUS_SUCCESS, "success"),
    STATUS(CUBLAS_STATUS_NOT_INITIALIZED, "the library was not initialized"),
    STATUS(CUBLAS_STATUS_ALLOC_FAILED, "the resource allocation failed"),
    STATUS(CUBLAS_STATUS_INVALID_VALUE, "an invalid value was used as an argument"),
    STATUS(CUBLAS_STATUS_ARCH_MISMATCH, "an absent device architectural feature is required"),
    STATUS(CUBLAS_STATUS_MAPPING_ERROR, "an access to GPU memory space failed"),
    STATUS(CUBLAS_STATUS_EXECUTION_FAILED, "the GPU program failed to execute"),
    STATUS(CUBLAS_STATUS_INTERNAL_ERROR, "an internal operation failed"),
    STATUS(CUBLAS_STATUS_NOT_SUPPORTED, "the functionality is not supported"),
};

template <class Object>
cublasStatus_t destroy(soft::Handles<Object>& handles, const void* handle, const char* function) {
  if (!handles.remove(handle)) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: %p is no live descriptor of that kind", function, handle);
  }
  return CUBLAS_STATUS_SUCCESS;
}

// Sets a field from the bytes of an attribute, which must be as many as the field has.
template <class Field>
cublasStatus_t set(Field& field, const void* value, size_t bytes, const char* function, int attribute) {
  if (value == nullptr || bytes != sizeof(Field)) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: attribute %d has %zu bytes, %zu were given at %p", function, attribute,
           sizeof(Field), bytes, value);
  }
  memcpy(&field, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

template <class Object, class Handle>
cublasStatus_t create(soft::Handles<Object>& handles, const Object& object, Handle* handle, const char* function) {
  if (handle == nullptr) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: nowhere to put the handle", function);
  }
  *handle = static_cast<Handle>(handles.add(std::make_shared<Object>(object)));
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

// --- for the tests ---

// How many handles and descriptors were not destroyed.
EXPORT int soft_cublaslt_live() {
  return libraries.count() + layouts.count() + descriptions.count() + preferences.count();
}

// --- the library ---

EXPORT size_t cublasLtGetVersion(void) {
  soft::enter("cublasLtGetVersion");
  return VERSION;
}

EXPORT size_t cublasLtGetCudartVersion(void) {
  soft::enter("cublasLtGetCudartVersion");
  return 13000;
}

EXPORT const char* cublasLtGetStatusName(cublasStatus_t status) {
  soft::enter("cublasLtGetStatusName");
  auto found = STATUSES.find(status);
  return found == STATUSES.end() ? "CUBLAS_STATUS_UNKNOWN" : found->second.name;
}

EXPORT const char* cublasLtGetStatusString(cublasStatus_t status) {
  soft::enter("cublasLtGetStatusString");
  auto found = STATUSES.find(status);
  return found == STATUSES.end() ? "unknown status" : found->second.text;
}

EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  ENTER("cublasLtCreate");
  if (!soft::hasContext()) {
    REFUSE(CUBLAS_STATUS_NOT_INITIALIZED, "cublasLtCreate: this thread has no current context");
  }
  return create(libraries, Library{}, handle, "cublasLtCreate");
}

EXPORT cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  ENTER("cublasLtDestroy");
  if (!libraries.remove(handle)) {
    REFUSE(CUBLAS_STATUS_NOT_INITIALIZED, "cublasLtDestroy: %p is no live handle", static_cast<void*>(handle));
  }
  return CUBLAS_STATUS_SUCCESS;
}

// --- layouts of matrices ---

EXPORT cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                                 uint64_t columns, int64_t ld) {
  ENTER("cublasLtMatrixLayoutCreate");
  return create(layouts, Layout{type, rows, columns, ld}, layout, "cublasLtMatrixLayoutCreate");
}

EXPORT cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  ENTER("cublasLtMatrixLayoutDestroy");
  return destroy(layouts, layout, "cublasLtMatrixLayoutDestroy");
}

EXPORT cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t handle,
                                                       cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                       size_t bytes) {
  const char* function = "cublasLtMatrixLayoutSetAttribute";
  ENTER(function);
  auto layout = layouts.find(handle);
  if (layout == nullptr) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: %p is no live layout", function, static_cast<void*>(handle));
  }
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE:
      return set(layout->type, value, bytes, function, attribute);
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
      return set(layout->order, value, bytes, function, attribute);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
      return set(layout->rows, value, bytes, function, attribute);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
      return set(layout->columns, value, bytes, function, attribute);
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return set(layout->ld, value, bytes, function, attribute);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return set(layout->batch, value, bytes, function, attribute);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return set(layout->stride, value, bytes, function, attribute);
    default:
      REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: attribute %d is not known", function, attribute);
  }
}

// --- descriptions of products ---

EXPORT cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute,
                                               cudaDataType_t scale) {
  ENTER("cublasLtMatmulDescCreate");
  return create(descriptions, Description{compute, scale}, description, "cublasLtMatmulDescCreate");
}

EXPORT cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  ENTER("cublasLtMatmulDescDestroy");
  return destroy(descriptions, description, "cublasLtMatmulDescDestroy");
}

EXPORT cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle,
                                                     cublasLtMatmulDescAttributes_t attribute, const void* value,
                                                     size_t bytes) {
  const char* function = "cublasLtMatmulDescSetAttribute";
  ENTER(function);
  auto description = descriptions.find(handle);
  if (description == nullptr) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: %p is no live description", function, static_cast<void*>(handle));
  }
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
      return set(description->compute, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
      return set(description->scale, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return set(description->pointerMode, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return set(description->transposeA, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return set(description->transposeB, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_TRANSC:
      return set(description->transposeC, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return set(description->epilogue, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return set(description->bias, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
      return set(description->biasStride, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return set(description->biasType, value, bytes, function, attribute);
    default:
      REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: attribute %d is not known", function, attribute);
  }
}

// --- what the choice of an algorithm prefers ---

EXPORT cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  ENTER("cublasLtMatmulPreferenceCreate");
  return create(preferences, Preference{}, preference, "cublasLtMatmulPreferenceCreate");
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  ENTER("cublasLtMatmulPreferenceDestroy");
  return destroy(preferences, preference, "cublasLtMatmulPreferenceDestroy");
}

EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                           cublasLtMatmulPreferenceAttributes_t attribute,
                                                           const void* value, size_t bytes) {
  const char* function = "cublasLtMatmulPreferenceSetAttribute";
  ENTER(function);
  auto preference = preferences.find(handle);
  if (preference == nullptr) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: %p is no live preference", function, static_cast<void*>(handle));
  }
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_SEARCH_MODE:
      return set(preference->searchMode, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return set(preference->workspace, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return set(preference->reductions, value, bytes, function, attribute);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: {
      uint32_t alignment = 0;
      cublasStatus_t status = set(alignment, value, bytes, function, attribute);
      if (status == CUBLAS_STATUS_SUCCESS && (alignment == 0 || (alignment & (alignment - 1)) != 0)) {
        REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: an alignment of %u bytes is no power of two", function, alignment);
      }
      if (status == CUBLAS_STATUS_SUCCESS) {
        preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES] = alignment;
      }
      return status;
    }
    default:
      REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: attribute %d is not known", function, attribute);
  }
}
