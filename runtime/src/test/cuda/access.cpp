// The check of every load and store of a kernel.
#include "fibers.h"
#include "memory.h"
#include "state.h"

#include <cstring>

namespace soft {
namespace {

bool marked(unsigned long offset, unsigned long bytes, unsigned char least) {
  for (unsigned long i = 0; i < bytes; i++) {
    if ((shadow[offset + i] & least) != least) {
      return false;
    }
  }
  return true;
}

bool between(const char* at, unsigned long bytes, const char* from, const char* to) {
  return at >= from && at < to && bytes <= static_cast<unsigned long>(to - at);
}

// Whether something that is not of the device's memory may be accessed: shared memory, a stack, or for reading a
// constant.
bool isOwn(const char* at, unsigned long bytes, bool store) {
  const Launch& launch = runningLaunch();
  const ModuleEntry& module = *launch.module;
  return between(at, bytes, module.shared, module.dynamic) ||
         between(at, bytes, module.dynamic, module.dynamic + launch.dynamicBytes) ||
         between(at, bytes, module.dynamic + DYNAMIC_MOST, module.sharedEnd) ||
         onStack(at, bytes) ||
         (!store && between(at, bytes, launch.image, launch.imageEnd) &&
          !between(at, bytes, module.shared, module.sharedEnd));
}

}  // namespace

void checkAccess(unsigned long at, unsigned long bytes, bool store) {
  unsigned long offset = at - reinterpret_cast<unsigned long>(memory);
  bool inside = memory && offset < ARENA_BYTES;
  bool power = bytes <= 16 && (bytes & (bytes - 1)) == 0;
  if (power && at % bytes != 0 && (inside || isOwn(reinterpret_cast<char*>(at), bytes, store))) {
    stop(CUDA_ERROR_MISALIGNED_ADDRESS, "%s %lu bytes at %#lx, which is no multiple of that",
         store ? "writes" : "reads", bytes, at);
  }
  if (!inside) {
    if (!isOwn(reinterpret_cast<char*>(at), bytes, store)) {
      const Launch& launch = runningLaunch();
      const char* dynamic = launch.module->dynamic;
      if (between(reinterpret_cast<char*>(at), 1, dynamic, dynamic + DYNAMIC_MOST)) {
        stop(CUDA_ERROR_ILLEGAL_ADDRESS, "%s %lu bytes at byte %lu of the %u bytes of dynamic shared memory",
             store ? "writes" : "reads", bytes, at - reinterpret_cast<unsigned long>(dynamic), launch.dynamicBytes);
      }
      stop(CUDA_ERROR_ILLEGAL_ADDRESS, "%s %lu bytes at %#lx, which is not the device's",
           store ? "writes" : "reads", bytes, at);
    }
    return;
  }
  if (!marked(offset, bytes, store || !modes.tracked ? ALLOCATED : WRITTEN)) {
    char text[400] = "";
    {
      // Its own block: what ends in stop() never ends.
      std::string why = wrong(at, bytes, store);
      strncpy(text, why.c_str(), sizeof text - 1);
    }
    if (text[0] != 0) {
      stop(CUDA_ERROR_ILLEGAL_ADDRESS, "%s", text);
    }
  }
  if (store) {
    memset(shadow + offset, WRITTEN, bytes);
  }
}

}  // namespace soft
