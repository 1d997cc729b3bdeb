// A cuDNN in software: its handles, versions and errors. Graphs are built of descriptors (cudnn_descriptors.cpp),
// checked (cudnn_checks.cpp), and run (cudnn_execute.cpp). What a function, a status and an attribute mean is in
// NVIDIA's "cuDNN".
#include "cudnn_descriptors.h"

#include <cstdarg>
#include <cstdio>

namespace dnn {

soft::Handles<Library> libraries;
soft::Handles<Contents> descriptors;

static thread_local std::string lastError;

cudnnStatus_t enter(const char* function) {
  int injected = soft::enter(function);
  if (injected != 0) {
    lastError = std::string(function) + ": an injected failure";
  }
  return static_cast<cudnnStatus_t>(injected);
}

cudnnStatus_t fail(cudnnStatus_t status, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  lastError = text;
  soft::report("cuDNN %d: %s", static_cast<int>(status), text);
  return status;
}

}  // namespace dnn

using namespace dnn;

namespace {

constexpr size_t VERSION = 92400;
constexpr size_t CUDART_VERSION_BUILT_WITH = 13000;

#define STATUS(status) {status, #status}
const std::map<int, const char*> STATUSES = {
    STATUS(CUDNN_STATUS_SUCCESS),
    STATUS(CUDNN_STATUS_NOT_INITIALIZED),
    STATUS(CUDNN_STATUS_BAD_PARAM),
    STATUS(CUDNN_STATUS_BAD_PARAM_NULL_POINTER),
    STATUS(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER),
    STATUS(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED),
    STATUS(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH),
    STATUS(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES),
    STATUS(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE),
    STATUS(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE),
    STATUS(CUDNN_STATUS_NOT_SUPPORTED),
    STATUS(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN),
    STATUS(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE),
    STATUS(CUDNN_STATUS_INTERNAL_ERROR),
    STATUS(CUDNN_STATUS_EXECUTION_FAILED),
};

}  // namespace

// --- for the tests ---

// How many handles and descriptors were not destroyed.
EXPORT int soft_cudnn_live() { return libraries.count() + descriptors.count(); }

// --- the library ---

EXPORT size_t cudnnGetVersion(void) {
  soft::enter("cudnnGetVersion");
  return VERSION;
}

EXPORT size_t cudnnGetCudartVersion(void) {
  soft::enter("cudnnGetCudartVersion");
  return CUDART_VERSION_BUILT_WITH;
}

EXPORT const char* cudnnGetErrorString(cudnnStatus_t status) {
  soft::enter("cudnnGetErrorString");
  auto found = STATUSES.find(status);
  return found == STATUSES.end() ? "CUDNN_UNKNOWN_STATUS" : found->second;
}

EXPORT void cudnnGetLastErrorString(char* message, size_t size) {
  soft::enter("cudnnGetLastErrorString");
  if (message != nullptr && size > 0) {
    snprintf(message, size, "%s", lastError.c_str());
  }
}

EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  ENTER("cudnnCreate");
  if (handle == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "cudnnCreate: nowhere to put the handle");
  }
  if (!soft::hasContext()) {
    return fail(CUDNN_STATUS_NOT_INITIALIZED, "cudnnCreate: this thread has no current context");
  }
  *handle = static_cast<cudnnHandle_t>(libraries.add(std::make_shared<Library>()));
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  ENTER("cudnnDestroy");
  if (!libraries.remove(handle)) {
    return fail(CUDNN_STATUS_BAD_PARAM, "cudnnDestroy: %p is no live handle", static_cast<void*>(handle));
  }
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  ENTER("cudnnSetStream");
  auto library = libraries.find(handle);
  if (library == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM, "cudnnSetStream: %p is no live handle", static_cast<void*>(handle));
  }
  library->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
