// The software driver's pinned host memory, and what copies to, from and within the device's memory, and fills it.
#include "memory.h"
#include "state.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>

using namespace soft;

namespace {

struct Pinned {
  size_t bytes;
  size_t pages;
  bool live;
};

// By address. Dead ones stay, with their addresses.
std::map<uintptr_t, Pinned> pinned;
long long liveOnes = 0;

// Whether host memory is pinned, by where it begins; whether all of it is.
bool isPinned(const void* at) {
  auto found = pinned.upper_bound(reinterpret_cast<uintptr_t>(at));
  return found != pinned.begin() && reinterpret_cast<uintptr_t>(at) < (--found)->first + found->second.pages;
}

bool pinnedHolds(const void* at, size_t bytes) {
  auto found = --pinned.upper_bound(reinterpret_cast<uintptr_t>(at));
  size_t offset = reinterpret_cast<uintptr_t>(at) - found->first;
  return found->second.live && offset <= found->second.bytes && bytes <= found->second.bytes - offset;
}

const void* pointer(CUdeviceptr address) { return reinterpret_cast<const void*>(static_cast<uintptr_t>(address)); }

struct Side {
  const void* at;
  bool host;
};

// Copies in the order of a stream. The ranges are checked at once, what was written when it runs.
CUresult copy(const char* function, Side to, Side from, size_t bytes, CUstream handle) {
  auto stream = findStream(handle, function);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  bool pageable = false;
  for (Side side : {to, from}) {
    if (!side.host && bytes > 0 && !within(reinterpret_cast<uintptr_t>(side.at), bytes)) {
      return refuse(CUDA_ERROR_INVALID_VALUE, "%s: %zu bytes, %s", function, bytes,
                    place(reinterpret_cast<uintptr_t>(side.at), bytes).c_str());
    }
    if (side.host && isPinned(side.at) && !pinnedHolds(side.at, bytes)) {
      return refuse(CUDA_ERROR_INVALID_VALUE, "%s: %zu bytes at %p leave the pinned memory", function, bytes, side.at);
    }
    if (side.host && !side.at) {
      return refuse(CUDA_ERROR_INVALID_VALUE, "%s: the host address is null", function);
    }
    pageable |= side.host && !isPinned(side.at);
  }
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  if (!to.host && !from.host && static_cast<const char*>(to.at) < static_cast<const char*>(from.at) + bytes &&
      static_cast<const char*>(from.at) < static_cast<const char*>(to.at) + bytes) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: the two ranges overlap", function);
  }
  if (pageable && stream->capture) {
    stream->capture->valid = false;
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "%s: host memory that is not pinned cannot be captured",
                  function);
  }
  auto work = [=]() -> CUresult {
    for (Side side : {to, from}) {
      if (side.host && isPinned(side.at) && !pinnedHolds(side.at, bytes)) {
        return refuse(CUDA_ERROR_ILLEGAL_ADDRESS, "%s: the pinned memory was freed before the copy ran", function);
      }
    }
    if ((!from.host && !readable(from.at, bytes, function)) || (!to.host && !writable(to.at, bytes, function))) {
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    memcpy(const_cast<void*>(to.at), from.at, bytes);
    if (!to.host) {
      written(const_cast<void*>(to.at), bytes);
    }
    return CUDA_SUCCESS;
  };
  CUresult status = enqueue(handle, work, function);
  return status || !pageable ? status : drain(*stream);
}

CUresult set(const char* function, CUdeviceptr address, size_t bytes, CUstream stream, std::function<void(char*)> how) {
  char* to = static_cast<char*>(const_cast<void*>(pointer(address)));
  if (bytes > 0 && !within(address, bytes)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: %zu bytes, %s", function, bytes, place(address, bytes).c_str());
  }
  return enqueue(
      stream,
      [=]() -> CUresult {
        if (!writable(to, bytes, function)) {
          return CUDA_ERROR_ILLEGAL_ADDRESS;
        }
        how(to);
        written(to, bytes);
        return CUDA_SUCCESS;
      },
      function);
}

}  // namespace

namespace soft {

long long livePinned() { return liveOnes; }

void clearPinned() {
  for (auto& entry : pinned) {
    munmap(reinterpret_cast<void*>(entry.first), entry.second.pages + PAGE);
  }
  pinned.clear();
  liveOnes = 0;
}

}  // namespace soft

EXPORT CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned int flags) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(address && bytes > 0 && flags < 8);
  if (CUresult status = notWhileCapturing(__func__)) {
    return status;
  }
  size_t pages = toPages(bytes);
  void* made = mmap(nullptr, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  mprotect(static_cast<char*>(made) + pages, PAGE, PROT_NONE);
  pinned[reinterpret_cast<uintptr_t>(made)] = {bytes, pages, true};
  liveOnes++;
  *address = made;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuMemFreeHost(void* address) {
  BEGIN(Needs::CONTEXT);
  if (CUresult status = notWhileCapturing(__func__)) {
    return status;
  }
  auto found = pinned.find(reinterpret_cast<uintptr_t>(address));
  if (found == pinned.end() || !found->second.live) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: no pinned memory begins at %p", __func__, address);
  }
  // The addresses stay taken, so that whoever uses them still does not find other memory there.
  empty(static_cast<char*>(address), found->second.pages, PROT_NONE);
  found->second.live = false;
  liveOnes--;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  BEGIN(Needs::CONTEXT);
  return copy(__func__, {pointer(to), false}, {from, true}, bytes, stream);
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  BEGIN(Needs::CONTEXT);
  return copy(__func__, {to, true}, {pointer(from), false}, bytes, stream);
}

EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  BEGIN(Needs::CONTEXT);
  return copy(__func__, {pointer(to), false}, {pointer(from), false}, bytes, stream);
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  BEGIN(Needs::CONTEXT);
  return set(__func__, to, count, stream, [=](char* at) { memset(at, value, count); });
}

EXPORT CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(to % 4 == 0 && count < ARENA_BYTES / 4);
  return set(__func__, to, 4 * count, stream, [=](char* at) {
    std::fill_n(reinterpret_cast<unsigned int*>(at), count, value);
  });
}
