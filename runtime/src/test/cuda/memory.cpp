// The software driver's memory: where allocations lie, what may be read and written, and the functions that allocate.
#include "memory.h"
#include "state.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

using namespace soft;

static_assert(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD == 4 && CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT == 5);
static_assert(CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH == 6 && CU_MEMPOOL_ATTR_USED_MEM_CURRENT == 7);
static_assert(CU_MEMPOOL_ATTR_USED_MEM_HIGH == 8);

namespace {

const size_t ALIGNMENT = 256;
const size_t CHUNK = 4 << 20;
const size_t REMEMBERED = 100000;

struct Allocation {
  size_t bytes;
  char* body;  // the pages that it lies on
  size_t bodyBytes;
  int device;
  bool live;
  bool ending;  // its end is in a stream
};

// By address. Dead ones stay, since an address that was freed is told from one that never was.
std::map<uintptr_t, Allocation> allocations;
std::map<int, long long> used, mostUsed;
std::map<int, uint64_t> thresholds;
long long liveAllocations = 0;
size_t next = 0;  // free addresses

// Fills pages with one value. Of many pages all show the same file, until they are written to: a test that allocates
// all of the device's memory is not to need as much of the machine's.
bool fill(char* at, size_t bytes, unsigned char value) {
  static std::map<unsigned char, int> files;
  size_t shown = 0;
  if (bytes >= CHUNK) {
    int& file = files[value];
    if (file == 0) {
      file = memfd_create("software device", MFD_CLOEXEC);
      std::vector<char> content(CHUNK, static_cast<char>(value));
      if (file < 0 || write(file, content.data(), CHUNK) != static_cast<ssize_t>(CHUNK)) {
        return false;
      }
    }
    for (; shown + CHUNK <= bytes; shown += CHUNK) {
      if (mmap(at + shown, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED) {
        return false;
      }
    }
  }
  memset(at + shown, value, bytes - shown);
  return true;
}

unsigned char* marks(const void* at) { return shadow + (static_cast<const char*>(at) - memory); }

CUdeviceptr allocate(size_t bytes, int device) {
  if (bytes > totalBytes(device) || used[device] + bytes > totalBytes(device) || !reserve()) {
    return 0;
  }
  size_t body = toPages(bytes);
  if (next + body + 2 * PAGE > ARENA_BYTES) {
    report("all addresses of the device's memory were given once");
    return 0;
  }
  char* at = memory + next + PAGE;
  next += body + PAGE;
  if (mprotect(at, body, PROT_READ | PROT_WRITE) != 0 || !fill(at, body, 0xFF)) {
    return 0;
  }
  // As near to the guard page behind it as the alignment allows.
  uintptr_t address = (reinterpret_cast<uintptr_t>(at) + body - bytes) / ALIGNMENT * ALIGNMENT;
  unsigned char* mark = marks(reinterpret_cast<char*>(address));
  size_t ahead = std::min(bytes, toPages(reinterpret_cast<uintptr_t>(mark)) - reinterpret_cast<uintptr_t>(mark));
  size_t whole = (bytes - ahead) / PAGE * PAGE;
  memset(mark, ALLOCATED, ahead);
  if (!fill(reinterpret_cast<char*>(mark + ahead), whole, ALLOCATED)) {
    return 0;
  }
  memset(mark + ahead + whole, ALLOCATED, bytes - ahead - whole);
  allocations[address] = {bytes, at, body, device, true, false};
  used[device] += bytes;
  mostUsed[device] = std::max(mostUsed[device], used[device]);
  liveAllocations++;
  return address;
}

// Whatever wrote just outside without a check has left its trace.
void checkMargins(uintptr_t address, const Allocation& allocation) {
  const char* begin = reinterpret_cast<char*>(address);
  for (const char* at = allocation.body; at < allocation.body + allocation.bodyBytes; at++) {
    if (at == begin) {
      at += allocation.bytes;
      if (at == allocation.body + allocation.bodyBytes) {
        return;
      }
    }
    if (static_cast<unsigned char>(*at) != 0xFF) {
      report("bytes just outside the %zu-byte allocation %#lx were written", allocation.bytes, address);
      return;
    }
  }
}

bool release(uintptr_t address) {
  auto found = allocations.find(address);
  if (found == allocations.end() || !found->second.live) {
    return false;
  }
  Allocation& allocation = found->second;
  checkMargins(address, allocation);
  empty(allocation.body, allocation.bodyBytes, PROT_NONE);
  unsigned char* mark = marks(allocation.body);
  if (allocation.bytes >= CHUNK) {
    empty(reinterpret_cast<char*>(mark), allocation.bodyBytes, PROT_READ | PROT_WRITE);
    madvise(mark, allocation.bodyBytes, MADV_NOHUGEPAGE);
  } else {
    madvise(mark, allocation.bodyBytes, MADV_DONTNEED);
  }
  allocation.live = false;
  used[allocation.device] -= allocation.bytes;
  liveAllocations--;
  if (allocations.size() > REMEMBERED + liveAllocations && !allocations.begin()->second.live) {
    allocations.erase(allocations.begin());
  }
  return true;
}

// What lies at an address or, in between, before it.
const std::pair<const uintptr_t, Allocation>* nearest(uintptr_t at) {
  auto found = allocations.upper_bound(at);
  return found == allocations.begin() ? nullptr : &*--found;
}

bool allMarked(const unsigned char* mark, size_t bytes, unsigned char least) {
  uint64_t all = 0x0101010101010101u * least;
  for (; bytes >= 8; bytes -= 8, mark += 8) {
    uint64_t word;
    memcpy(&word, mark, 8);
    if ((word & all) != all) {
      return false;
    }
  }
  for (; bytes > 0; bytes--, mark++) {
    if ((*mark & least) != least) {
      return false;
    }
  }
  return true;
}

bool check(const void* at, size_t rows, size_t bytes, size_t stride, bool store, const char* what) {
  Lock lock(mutex);
  for (size_t row = 0; row < rows && bytes > 0; row++) {
    uintptr_t from = reinterpret_cast<uintptr_t>(at) + row * stride;
    std::string why = wrong(from, bytes, store);
    if (!why.empty()) {
      report("%s: %s", what, why.c_str());
      return false;
    }
  }
  return true;
}

// The device of a pool, or -1.
int poolDevice(CUmemoryPool pool) {
  auto context = current();
  return context && context->pool == pool ? context->device : -1;
}

}  // namespace

namespace soft {

char* memory = nullptr;
unsigned char* shadow = nullptr;

size_t toPages(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

void empty(char* at, size_t bytes, int protection) {
  mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

bool reserve() {
  if (memory) {
    return true;
  }
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* body = mmap(nullptr, ARENA_BYTES, PROT_NONE, flags, -1, 0);
  void* marks = mmap(nullptr, ARENA_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (body == MAP_FAILED || marks == MAP_FAILED) {
    report("there are no addresses for the device's memory");
    return false;
  }
  // What is freed in small pieces is not to be held in large pages.
  madvise(marks, ARENA_BYTES, MADV_NOHUGEPAGE);
  memory = static_cast<char*>(body);
  shadow = static_cast<unsigned char*>(marks);
  return true;
}

bool within(uintptr_t at, size_t bytes) {
  auto* near = nearest(at);
  return near && near->second.live && at - near->first <= near->second.bytes &&
         bytes <= near->second.bytes - (at - near->first);
}

std::string place(uintptr_t at, size_t bytes) {
  auto* near = nearest(at);
  auto after = allocations.upper_bound(at);
  if (after != allocations.end() && after->first - at <= PAGE && (!near || at >= near->first + near->second.bytes)) {
    size_t past = near ? at - near->first - near->second.bytes : PAGE;
    if (after->first - at < past) {
      return std::to_string(after->first - at) + " bytes before the " + std::to_string(after->second.bytes) +
             "-byte allocation";
    }
  }
  if (!near || at - near->first >= near->second.bodyBytes + (1 << 20)) {
    return "where no allocation is";
  }
  const Allocation& allocation = near->second;
  size_t offset = at - near->first;
  std::string which = "the " + std::to_string(allocation.bytes) + "-byte allocation";
  if (offset >= allocation.bytes) {
    return std::to_string(offset - allocation.bytes) + " bytes past " + which;
  }
  if (!allocation.live) {
    return std::to_string(offset) + " bytes into " + which + ", which was freed";
  }
  if (offset + bytes > allocation.bytes) {
    return std::to_string(offset + bytes - allocation.bytes) + " bytes past " + which;
  }
  return std::to_string(offset) + " bytes into " + which;
}

std::string wrong(uintptr_t at, size_t bytes, bool store) {
  uintptr_t offset = at - reinterpret_cast<uintptr_t>(memory);
  bool inside = memory && offset < ARENA_BYTES && bytes <= ARENA_BYTES - offset;
  unsigned char least = store || !modes.strict || !modes.tracked ? ALLOCATED : WRITTEN;
  if (inside && allMarked(shadow + offset, bytes, least)) {
    return "";
  }
  char text[100];
  snprintf(text, sizeof text, "%s %zu bytes at %#lx, ", store ? "writes" : "reads", bytes, at);
  if (!inside || !allMarked(shadow + offset, bytes, ALLOCATED)) {
    return text + place(at, bytes);
  }
  size_t first = 0;
  while (shadow[offset + first] == WRITTEN) {
    first++;
  }
  return text + place(at + first, 1) + ", which was not written yet";
}

bool readable(const void* from, size_t bytes, const char* what) { return check(from, 1, bytes, 0, false, what); }

bool writable(const void* to, size_t bytes, const char* what) { return check(to, 1, bytes, 0, true, what); }

bool readable(const void* from, size_t rows, size_t bytes, size_t stride, const char* what) {
  return check(from, rows, bytes, stride, false, what);
}

bool writable(const void* to, size_t rows, size_t bytes, size_t stride, const char* what) {
  return check(to, rows, bytes, stride, true, what);
}

void written(void* at, size_t bytes) {
  if (memory) {
    memset(marks(at), WRITTEN, bytes);
  }
}

void written(void* at, size_t rows, size_t bytes, size_t stride) {
  for (size_t row = 0; row < rows; row++) {
    written(static_cast<char*>(at) + row * stride, bytes);
  }
}

long long liveMemory() { return liveAllocations; }

long long liveBytes(int device) { return used[device]; }

void clearMemory(int device) {
  long long count = 0, bytes = used[device];
  for (auto& entry : allocations) {
    if (entry.second.live && entry.second.device == device) {
      release(entry.first);
      count++;
    }
  }
  if (count > 0) {
    report("the context of device %d ends with %lld allocations of %lld bytes", device, count, bytes);
  }
}

void clearMemory() {
  for (auto& entry : allocations) {
    if (entry.second.live) {
      release(entry.first);
    }
  }
  allocations.clear();
  used.clear();
  mostUsed.clear();
  thresholds.clear();
  if (next > ARENA_BYTES / 2) {
    next = 0;
  }
}

}  // namespace soft

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(address && bytes > 0);
  if (CUresult status = notWhileCapturing(__func__)) {
    return status;
  }
  *address = allocate(bytes, current()->device);
  return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr address) {
  BEGIN(Needs::CONTEXT);
  CUresult status = notWhileCapturing(__func__);
  if (status || !address) {
    return status;
  }
  status = drain(current());
  if (!status && !release(address)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: no allocation begins at %#llx", __func__, address);
  }
  return status;
}

EXPORT CUresult cuMemAllocAsync(CUdeviceptr* address, size_t bytes, CUstream handle) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(address && bytes > 0);
  auto stream = findStream(handle, __func__);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (CUresult status = notInCapture(*stream, __func__)) {
    return status;
  }
  int device = current()->device;
  *address = allocate(bytes, device);
  if (!*address && !stream->queue.empty()) {
    // What was freed may still be in the queue.
    if (CUresult status = drain(*stream)) {
      return status;
    }
    *address = allocate(bytes, device);
  }
  return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT CUresult cuMemFreeAsync(CUdeviceptr address, CUstream handle) {
  BEGIN(Needs::CONTEXT);
  auto stream = findStream(handle, __func__);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (CUresult status = notInCapture(*stream, __func__)) {
    return status;
  }
  auto found = allocations.find(address);
  if (found == allocations.end() || !found->second.live || found->second.ending) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "%s: no allocation begins at %#llx", __func__, address);
  }
  found->second.ending = true;
  return enqueue(
      handle, [address] { return release(address) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; }, __func__);
}

EXPORT CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(free && total);
  int device = current()->device;
  *total = totalBytes(device);
  *free = *total - used[device];
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  BEGIN(Needs::DRIVER);
  REQUIRE(pool);
  if (!primary(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *pool = primary(device)->pool;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(poolDevice(pool) >= 0);
  REQUIRE(value && reinterpret_cast<uintptr_t>(value) % 8 == 0);
  REQUIRE(attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
  thresholds[poolDevice(pool)] = *static_cast<uint64_t*>(value);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  BEGIN(Needs::CONTEXT);
  int device = poolDevice(pool);
  REQUIRE(device >= 0 && value);
  uint64_t* to = static_cast<uint64_t*>(value);
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: *to = thresholds[device]; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: *to = used[device]; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: *to = mostUsed[device]; return CUDA_SUCCESS;
    default: return refuse(CUDA_ERROR_INVALID_VALUE, "%s: attribute %d", __func__, attribute);
  }
}

EXPORT CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t bytes) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(poolDevice(pool) >= 0);
  return CUDA_SUCCESS;
}
