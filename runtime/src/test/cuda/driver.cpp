// A CUDA driver in software: the functions of libcuda.so.1 that Gatun calls, strict about how they are called. What a
// function, a status and an attribute mean is in NVIDIA's "CUDA Driver API". Here: devices, contexts, errors, and what
// tests switch and ask. Calls, memory, streams and kernels are in files of their own.
#include "state.h"

#include <cstdio>
#include <map>

using namespace soft;

// Whichever header they come from, these are the numbers that Java calls with.
static_assert(CUDA_ERROR_INVALID_VALUE == 1 && CUDA_ERROR_OUT_OF_MEMORY == 2 && CUDA_ERROR_NOT_INITIALIZED == 3);
static_assert(CUDA_ERROR_STUB_LIBRARY == 34 && CUDA_ERROR_NO_DEVICE == 100 && CUDA_ERROR_INVALID_DEVICE == 101);
static_assert(CUDA_ERROR_INVALID_IMAGE == 200 && CUDA_ERROR_INVALID_CONTEXT == 201);
static_assert(CUDA_ERROR_NO_BINARY_FOR_GPU == 209 && CUDA_ERROR_INVALID_PTX == 218);
static_assert(CUDA_ERROR_UNSUPPORTED_PTX_VERSION == 222);
static_assert(CUDA_ERROR_INVALID_HANDLE == 400 && CUDA_ERROR_ILLEGAL_STATE == 401 && CUDA_ERROR_NOT_FOUND == 500);
static_assert(CUDA_ERROR_NOT_READY == 600 && CUDA_ERROR_ILLEGAL_ADDRESS == 700);
static_assert(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES == 701 && CUDA_ERROR_MISALIGNED_ADDRESS == 716);
static_assert(CUDA_ERROR_LAUNCH_FAILED == 719 && CUDA_ERROR_NOT_SUPPORTED == 801);
static_assert(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH == 803 && CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED == 900);
static_assert(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED == 901 && CUDA_ERROR_STREAM_CAPTURE_ISOLATION == 905);
static_assert(CUDA_ERROR_CAPTURED_EVENT == 907 && CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD == 908);
static_assert(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK == 1 && CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X == 5);
static_assert(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK == 8 && CU_DEVICE_ATTRIBUTE_WARP_SIZE == 10);
static_assert(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT == 16);
static_assert(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR == 39);
static_assert(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR == 75 && CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR == 76);
static_assert(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING == 41 && CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED == 115);
static_assert(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN == 97);

namespace {

struct Status {
  const char* name;
  const char* text;
};

#define STATUS(status, text) {status, {#status, text}}
const std::map<int, Status> STATUSES = {
    STATUS(CUDA_SUCCESS, "no error"),
    STATUS(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    STATUS(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    STATUS(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    STATUS(CUDA_ERROR_STUB_LIBRARY, "CUDA driver is a stub library"),
    STATUS(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    STATUS(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    STATUS(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    STATUS(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    STATUS(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    STATUS(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"),
    STATUS(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain."),
    STATUS(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    STATUS(CUDA_ERROR_ILLEGAL_STATE, "the operation cannot be performed in the present state"),
    STATUS(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    STATUS(CUDA_ERROR_NOT_READY, "device not ready"),
    STATUS(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    STATUS(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    STATUS(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    STATUS(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    STATUS(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    STATUS(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination"),
    STATUS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
    STATUS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture"),
    STATUS(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency created on uncaptured work in another stream"),
    STATUS(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream"),
    STATUS(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
           "attempt to terminate a thread-local capture sequence from another thread"),
};

bool initialised = false;
std::vector<std::shared_ptr<Context>> contexts;

// The context that a thread has made current. Tests begin anew without knowing the threads, so it is checked on use.
thread_local std::weak_ptr<Context> chosen;

void makeDevices(int count) {
  contexts.clear();
  for (int device = 0; device < count; device++) {
    auto context = std::make_shared<Context>();
    context->device = device;
    context->handle = reinterpret_cast<CUcontext>(nextHandle());
    context->pool = reinterpret_cast<CUmemoryPool>(nextHandle());
    contexts.push_back(context);
  }
}

bool known(int device) { return device >= 0 && device < deviceCount(); }

}  // namespace

namespace soft {

std::recursive_mutex mutex;
Modes modes;

bool hasContext() {
  Lock lock(mutex);
  return current() != nullptr;
}

CUresult begin(const char* function, Needs needs) {
  if (int injected = enter(function)) {
    return static_cast<CUresult>(injected);
  }
  if (needs == Needs::NOTHING) {
    return CUDA_SUCCESS;
  }
  if (!initialised) {
    return refuse(CUDA_ERROR_NOT_INITIALIZED, "%s: it comes before cuInit", function);
  }
  if (needs == Needs::DRIVER) {
    return CUDA_SUCCESS;
  }
  auto context = current();
  if (!context) {
    return refuse(CUDA_ERROR_INVALID_CONTEXT, "%s: this thread has no current context", function);
  }
  return context->lost;
}

int deviceCount() {
  static bool made = false;
  if (!made && contexts.empty()) {
    makeDevices(1);
  }
  made = true;
  return static_cast<int>(contexts.size());
}

std::shared_ptr<Context> primary(int device) { return known(device) ? contexts[device] : nullptr; }

std::shared_ptr<Context> current() {
  auto context = chosen.lock();
  return context && context->references > 0 && known(context->device) && contexts[context->device] == context ? context
                                                                                                              : nullptr;
}

size_t totalBytes(int device) { return size_t(2 + device) << 30; }

}  // namespace soft

// --- for the tests ---

// Begins anew, not initialised, with so many devices: what is left is freed, and all modes are as they were at first.
EXPORT void soft_reset(int devices) {
  Lock lock(mutex);
  clearStreams();
  clearGraphs();
  clearModules();
  clearMemory();
  clearPinned();
  deviceCount();
  makeDevices(devices);
  initialised = false;
  clearCalls();
  modes = Modes();
}

EXPORT void soft_strict(int on) {
  Lock lock(mutex);
  modes.strict = on != 0;
}

EXPORT void soft_lazy(int on) {
  Lock lock(mutex);
  modes.lazy = on != 0;
}

EXPORT void soft_reverse(int on) {
  Lock lock(mutex);
  modes.reverse = on != 0;
}

// The compute capability of the devices from now on: 10 * major + minor.
EXPORT void soft_capability(int capability) {
  Lock lock(mutex);
  modes.capability = capability;
}

// How many objects are there: allocations, pinned ones, streams, events, graphs, executables and modules.
EXPORT long long soft_live() {
  Lock lock(mutex);
  return liveMemory() + livePinned() + liveStreams() + liveGraphs() + liveModules();
}

EXPORT long long soft_bytes() {
  Lock lock(mutex);
  long long bytes = 0;
  for (auto& context : contexts) {
    bytes += liveBytes(context->device);
  }
  return bytes;
}

EXPORT int soft_contexts() {
  Lock lock(mutex);
  int references = 0;
  for (auto& context : contexts) {
    references += context->references;
  }
  return references;
}

// --- the driver ---

EXPORT CUresult cuInit(unsigned int flags) {
  BEGIN(Needs::NOTHING);
  REQUIRE(flags == 0);
  if (deviceCount() == 0) {
    return CUDA_ERROR_NO_DEVICE;
  }
  initialised = true;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int* version) {
  BEGIN(Needs::NOTHING);
  REQUIRE(version);
  *version = 13020;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int* count) {
  BEGIN(Needs::DRIVER);
  REQUIRE(count);
  *count = deviceCount();
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  BEGIN(Needs::DRIVER);
  REQUIRE(device);
  if (!known(ordinal)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *device = ordinal;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  BEGIN(Needs::DRIVER);
  REQUIRE(name && length > 0);
  if (!known(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  snprintf(name, length, "Software device %d", device);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  BEGIN(Needs::DRIVER);
  REQUIRE(bytes);
  if (!known(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *bytes = totalBytes(device);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  static const std::map<int, int> VALUES = {
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 2147483647},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 48 << 10},
      {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 2},
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
      {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 227 << 10},
      {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1},
  };
  BEGIN(Needs::DRIVER);
  REQUIRE(value);
  if (!known(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) {
    *value = modes.capability / 10;
  } else if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) {
    *value = modes.capability % 10;
  } else {
    auto found = VALUES.find(attribute);
    REQUIRE(found != VALUES.end());
    *value = found->second;
  }
  return CUDA_SUCCESS;
}

EXPORT CUresult cuGetErrorName(CUresult error, const char** text) {
  auto status = STATUSES.find(error);
  if (!text) return CUDA_ERROR_INVALID_VALUE;
  *text = status == STATUSES.end() ? nullptr : status->second.name;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuGetErrorString(CUresult error, const char** text) {
  auto status = STATUSES.find(error);
  if (!text) return CUDA_ERROR_INVALID_VALUE;
  *text = status == STATUSES.end() ? nullptr : status->second.text;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  BEGIN(Needs::DRIVER);
  REQUIRE(context);
  if (!known(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  contexts[device]->references++;
  *context = contexts[device]->handle;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  BEGIN(Needs::DRIVER);
  if (!known(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  auto& context = contexts[device];
  if (context->references == 0) {
    return refuse(CUDA_ERROR_INVALID_CONTEXT, "%s: the context of device %d is not retained", __func__, device);
  }
  if (context->references == 1) {
    drain(context);
    clearMemory(device);
  }
  context->references--;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext handle) {
  BEGIN(Needs::DRIVER);
  if (!handle) {
    chosen.reset();
    return CUDA_SUCCESS;
  }
  for (auto& context : contexts) {
    if (context->handle == handle && context->references > 0) {
      chosen = context;
      return context->lost;
    }
  }
  return refuse(CUDA_ERROR_INVALID_CONTEXT, "%s: %p is no context, or was released", __func__,
                static_cast<void*>(handle));
}

EXPORT CUresult cuCtxGetCurrent(CUcontext* handle) {
  BEGIN(Needs::DRIVER);
  REQUIRE(handle);
  auto context = current();
  *handle = context ? context->handle : nullptr;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxSynchronize(void) {
  BEGIN(Needs::CONTEXT);
  if (CUresult status = notWhileCapturing(__func__)) {
    return status;
  }
  return drain(current());
}
