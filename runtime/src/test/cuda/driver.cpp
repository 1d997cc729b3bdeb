// A CUDA driver in software: the functions of libcuda.so.1 that Gatun calls, strict about how they are called. Declared by
// ourselves, so that no header of NVIDIA's is needed; what a name, a status and an attribute mean is in NVIDIA's
// "CUDA Driver API".
#include <cstring>
#include <map>
#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

const int SUCCESS = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101;

struct Status {
  const char* name;
  const char* text;
};

const std::map<int, Status> STATUSES = {
    {SUCCESS, {"CUDA_SUCCESS", "no error"}},
    {INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {2, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {NOT_INITIALIZED, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
    {34, {"CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"}},
    {NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {803, {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"}},
};

const int MULTIPROCESSORS = 16, MAJOR = 75, MINOR = 76; // attributes

int devices = 1;
bool initialised = false;
std::map<std::string, int> failures;
std::map<std::string, int> calls;

// What a call returns before it does anything.
int enter(const char* function, bool needsInit = true) {
  calls[function]++;
  auto failure = failures.find(function);
  if (failure != failures.end()) {
    return failure->second;
  }
  return needsInit && !initialised ? NOT_INITIALIZED : SUCCESS;
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

EXPORT int cuInit(unsigned flags) {
  int status = enter("cuInit", false);
  if (status != SUCCESS) return status;
  if (flags != 0) return INVALID_VALUE;
  if (devices == 0) return NO_DEVICE;
  initialised = true;
  return SUCCESS;
}

EXPORT int cuDriverGetVersion(int* version) {
  int status = enter("cuDriverGetVersion", false);
  if (status != SUCCESS) return status;
  if (!version) return INVALID_VALUE;
  *version = 13020;
  return SUCCESS;
}

EXPORT int cuDeviceGetCount(int* count) {
  int status = enter("cuDeviceGetCount");
  if (status != SUCCESS) return status;
  if (!count) return INVALID_VALUE;
  *count = devices;
  return SUCCESS;
}

EXPORT int cuDeviceGet(int* device, int ordinal) {
  int status = enter("cuDeviceGet");
  if (status != SUCCESS) return status;
  if (!device) return INVALID_VALUE;
  if (!known(ordinal)) return INVALID_DEVICE;
  *device = ordinal;
  return SUCCESS;
}

EXPORT int cuDeviceGetName(char* name, int length, int device) {
  int status = enter("cuDeviceGetName");
  if (status != SUCCESS) return status;
  if (!name || length < 1) return INVALID_VALUE;
  if (!known(device)) return INVALID_DEVICE;
  std::string text = "Software device " + std::to_string(device);
  std::strncpy(name, text.c_str(), length - 1);
  name[length - 1] = 0;
  return SUCCESS;
}

EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  int status = enter("cuDeviceTotalMem_v2");
  if (status != SUCCESS) return status;
  if (!bytes) return INVALID_VALUE;
  if (!known(device)) return INVALID_DEVICE;
  *bytes = size_t(2 + device) << 30;
  return SUCCESS;
}

EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
  int status = enter("cuDeviceGetAttribute");
  if (status != SUCCESS) return status;
  if (!value) return INVALID_VALUE;
  if (!known(device)) return INVALID_DEVICE;
  switch (attribute) {
    case MULTIPROCESSORS: *value = 2; return SUCCESS;
    case MAJOR: *value = 9; return SUCCESS;
    case MINOR: *value = 0; return SUCCESS;
    default: return INVALID_VALUE;
  }
}

EXPORT int cuGetErrorName(int error, const char** text) {
  auto status = STATUSES.find(error);
  if (!text) return INVALID_VALUE;
  *text = status == STATUSES.end() ? nullptr : status->second.name;
  return *text ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuGetErrorString(int error, const char** text) {
  auto status = STATUSES.find(error);
  if (!text) return INVALID_VALUE;
  *text = status == STATUSES.end() ? nullptr : status->second.text;
  return *text ? SUCCESS : INVALID_VALUE;
}
