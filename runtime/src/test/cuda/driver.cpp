// A CUDA driver in software: the functions of libcuda.so.1 that Gatun calls, strict about how they are called. What a
// function, a status and an attribute mean is in NVIDIA's "CUDA Driver API".
#include "cuda_driver.h"

#include <cstring>
#include <map>
#include <string>

// Whichever header they come from, these are the numbers that Java calls with.
static_assert(CUDA_ERROR_INVALID_VALUE == 1 && CUDA_ERROR_OUT_OF_MEMORY == 2 && CUDA_ERROR_NOT_INITIALIZED == 3);
static_assert(CUDA_ERROR_STUB_LIBRARY == 34 && CUDA_ERROR_NO_DEVICE == 100 && CUDA_ERROR_INVALID_DEVICE == 101);
static_assert(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH == 803 && CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT == 16);
static_assert(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR == 75 && CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR == 76);

#define EXPORT extern "C" __attribute__((visibility("default")))

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
    STATUS(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination"),
};

int devices = 1;
bool initialised = false;
std::map<std::string, int> failures;
std::map<std::string, int> calls;

// What a call returns before it does anything.
CUresult enter(const char* function, bool needsInit = true) {
  calls[function]++;
  auto failure = failures.find(function);
  if (failure != failures.end()) {
    return static_cast<CUresult>(failure->second);
  }
  return needsInit && !initialised ? CUDA_ERROR_NOT_INITIALIZED : CUDA_SUCCESS;
}

bool known(int device) { return device >= 0 && device < devices; }

} // namespace

// --- for the tests ---

// Begins anew, not initialised, with so many devices.
EXPORT void soft_reset(int count) {
  devices = count;
  initialised = false;
  failures.clear();
  calls.clear();
}

// Has a function return a status from now on.
EXPORT void soft_fail(const char* function, int status) { failures[function] = status; }

EXPORT int soft_calls(const char* function) { return calls[function]; }

// --- the driver ---

EXPORT CUresult cuInit(unsigned int flags) {
  CUresult status = enter("cuInit", false);
  if (status != CUDA_SUCCESS) return status;
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (devices == 0) return CUDA_ERROR_NO_DEVICE;
  initialised = true;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int* version) {
  CUresult status = enter("cuDriverGetVersion", false);
  if (status != CUDA_SUCCESS) return status;
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 13020;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int* count) {
  CUresult status = enter("cuDeviceGetCount");
  if (status != CUDA_SUCCESS) return status;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = devices;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  CUresult status = enter("cuDeviceGet");
  if (status != CUDA_SUCCESS) return status;
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  if (!known(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  CUresult status = enter("cuDeviceGetName");
  if (status != CUDA_SUCCESS) return status;
  if (!name || length < 1) return CUDA_ERROR_INVALID_VALUE;
  if (!known(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::string text = "Software device " + std::to_string(device);
  std::strncpy(name, text.c_str(), length - 1);
  name[length - 1] = 0;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  CUresult status = enter("cuDeviceTotalMem_v2");
  if (status != CUDA_SUCCESS) return status;
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  if (!known(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = size_t(2 + device) << 30;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  CUresult status = enter("cuDeviceGetAttribute");
  if (status != CUDA_SUCCESS) return status;
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  if (!known(device)) return CUDA_ERROR_INVALID_DEVICE;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 2; return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 9; return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 0; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
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
