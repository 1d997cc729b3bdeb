// What a compiled kernel and the driver know of each other. The compiler puts device.h, which includes this, before the
// kernel.
#pragma once

namespace soft {

struct uint3 {
  unsigned x, y, z;
};

// The device's memory is this long a stretch of addresses, beside which lies a shadow of as many bytes.
constexpr unsigned long ARENA_BYTES = 1ul << 40;

// What the shadow says of a byte: nothing was allocated, it was allocated, or it was written.
enum : unsigned char { NOTHING = 0, ALLOCATED = 1, WRITTEN = 3 };

constexpr unsigned DYNAMIC_MOST = 227 << 10;

enum BarrierKind { PLAIN, COUNT, AND, OR };

// What a kernel asks the driver for.
struct Services {
  int (*barrier)(BarrierKind kind, int predicate, int line);
  // Gives bytes to the lanes in a mask and takes those of each of them; which of them took part.
  unsigned (*exchange)(unsigned mask, const void* mine, unsigned bytes, void* all);
  void (*check)(unsigned long at, unsigned long bytes, bool store);
  void (*fail)(const char* what);
};

// What the driver sets before it runs a thread.
struct State {
  uint3 threadIdx, blockIdx, blockDim, gridDim;
  unsigned lane;
  Services services;
  unsigned long memory, shadow;
};

struct Parameter {
  unsigned offset, bytes;
};

struct KernelEntry {
  const char* name;
  void (*call)(const char* parameters);
  unsigned threads;  // at most in a block
  unsigned bytes;    // of the parameters, packed
  unsigned count;    // of the parameters
  const Parameter* parameters;
};

struct ModuleEntry {
  State* state;
  const KernelEntry* kernels;
  unsigned count;
  // All static variables that are zero at first, which is where __shared__ ones lie, and amid them the dynamic shared
  // memory.
  char *shared, *sharedEnd, *dynamic;
  bool checked;
};

}  // namespace soft
