// The scheduler of a block. A fiber runs thread after thread while none of them waits, so that a kernel without
// barriers costs no switches; one that waits keeps its fiber, and the next ones get another.
#include "fibers.h"

#include "memory.h"
#include "state.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>

namespace soft {
namespace {

const size_t GUARD = 4096;
const size_t STACK = 128 << 10;
const unsigned WARP = 32;
const unsigned MOST_THREADS = 1024;

#if defined(__x86_64__) && !defined(SOFT_UCONTEXT)
// A switch without system calls: saves what a function may not change, and goes on where the other one was saved.
extern "C" void soft_switch(void** from, void* to) __attribute__((visibility("hidden")));
asm(R"(
.text
.globl soft_switch
.hidden soft_switch
.type soft_switch,@function
soft_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size soft_switch,.-soft_switch
)");

struct Place {
  void* top;

  void prepare(char* stack, size_t bytes, void (*begin)()) {
    void** at = reinterpret_cast<void**>(stack + bytes);
    *--at = nullptr;  // the stack of a function that begins is not at a multiple of 16
    *--at = reinterpret_cast<void*>(begin);
    for (int i = 0; i < 6; i++) {
      *--at = nullptr;
    }
    top = at;
  }

  static void change(Place& from, Place& to) { soft_switch(&from.top, to.top); }
};
#else
struct Place {
  ucontext_t context;

  void prepare(char* stack, size_t bytes, void (*begin)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = bytes;
    context.uc_link = nullptr;
    makecontext(&context, begin, 0);
  }

  static void change(Place& from, Place& to) { swapcontext(&from.context, &to.context); }
};
#endif

struct Fiber {
  char* stack;
  Place place;
  bool begun;  // else its stack must be prepared
};

enum class Waits { NEW, NOT, BARRIER, EXCHANGE, DONE };

struct Thread {
  uint3 index;
  unsigned lane, warp;
  Waits waits;
  unsigned mask;  // of the exchange that it waits in
  int predicate;
  Fiber* fiber;
};

// What lanes give each other. There are two in turn: who comes first to the next exchange must not change this one.
struct Exchange {
  std::vector<char> bytes;
  unsigned took;
};

struct Group {
  unsigned mask;
  unsigned arrived = 0;
  unsigned bytes = 0;
  Exchange exchanges[2];
  int turn = 0;
};

struct Warp {
  unsigned size;
  unsigned alive;
  unsigned begun;
  std::deque<Group> groups;  // by mask; they stay where they are
};

const Launch* launched;
State* state;
Thread threads[MOST_THREADS];
Warp warps[MOST_THREADS / WARP];
unsigned threadCount, warpCount, done, waiting;
BarrierKind barrierKind;
int barrierLine, barrierResult;
CUresult failed;

char* stacks = nullptr;
Fiber fibers[MOST_THREADS];
std::vector<Fiber*> idle;
Place host;
Fiber* running;
Thread* now;
Warp* beginning;  // the warp whose threads idle fibers take

// --- what a kernel asks for ---

void park() { Place::change(running->place, host); }

int barrier(BarrierKind kind, int predicate, int line) {
  if (waiting++ == 0) {
    barrierKind = kind;
    barrierLine = line;
  } else if (barrierKind != kind || barrierLine != line) {
    stop(CUDA_ERROR_LAUNCH_FAILED, "it waits at the barrier of line %d, others of its block at that of line %d", line,
         barrierLine);
  }
  now->predicate = predicate;
  now->waits = Waits::BARRIER;
  park();
  return barrierResult;
}

void releaseBarrier() {
  unsigned count = 0;
  for (unsigned i = 0; i < threadCount; i++) {
    if (threads[i].waits == Waits::BARRIER) {
      threads[i].waits = Waits::NOT;
      count += threads[i].predicate != 0;
    }
  }
  barrierResult = barrierKind == COUNT ? count : barrierKind == AND ? count == waiting : count > 0;
  waiting = 0;
}

// Whether all lanes that are there and have not returned are in; then lets those that wait go on.
bool complete(Warp& warp, Group& group) {
  if ((group.mask & warp.alive & ~group.arrived) != 0) {
    return false;
  }
  group.exchanges[group.turn].took = group.arrived;
  group.turn ^= 1;
  group.arrived = 0;
  Thread* first = threads + WARP * (&warp - warps);
  for (unsigned lane = 0; lane < warp.size; lane++) {
    if (first[lane].waits == Waits::EXCHANGE && first[lane].mask == group.mask) {
      first[lane].waits = Waits::NOT;
    }
  }
  return true;
}

unsigned exchange(unsigned mask, const void* mine, unsigned bytes, void* all) {
  Warp& warp = warps[now->warp];
  if (!(mask >> now->lane & 1)) {
    stop(CUDA_ERROR_LAUNCH_FAILED, "the mask %#x of an operation of the warp is without this lane", mask);
  }
  auto found = std::find_if(warp.groups.begin(), warp.groups.end(), [=](Group& group) { return group.mask == mask; });
  if (found == warp.groups.end()) {
    warp.groups.emplace_back();
    found = warp.groups.end() - 1;
    found->mask = mask;
  }
  Group& group = *found;
  Exchange& exchange = group.exchanges[group.turn];
  if (group.arrived == 0) {
    group.bytes = bytes;
    exchange.bytes.resize(std::max<size_t>(exchange.bytes.size(), WARP * bytes));
  } else if (group.bytes != bytes) {
    stop(CUDA_ERROR_LAUNCH_FAILED, "lanes of one operation of the warp give %u and %u bytes", group.bytes, bytes);
  }
  memcpy(exchange.bytes.data() + now->lane * bytes, mine, bytes);
  group.arrived |= 1u << now->lane;
  if (!complete(warp, group)) {
    now->mask = mask;
    now->waits = Waits::EXCHANGE;
    park();
  }
  memcpy(all, exchange.bytes.data(), WARP * bytes);
  return exchange.took;
}

void fail(const char* what) { stop(CUDA_ERROR_LAUNCH_FAILED, "%s", what); }

const Services SERVICES = {barrier, exchange, checkAccess, fail};

// --- the scheduler ---

void choose(Thread* thread) {
  now = thread;
  state->threadIdx = thread->index;
  state->lane = thread->lane;
}

void endThread(Thread& thread) {
  thread.waits = Waits::DONE;
  done++;
  Warp& warp = warps[thread.warp];
  warp.alive &= ~(1u << thread.lane);
  for (auto& group : warp.groups) {
    if (group.arrived != 0) {
      complete(warp, group);
    }
  }
}

// What a fiber does: it takes threads that nobody has begun yet, then waits for others.
void fiberMain() {
  for (;;) {
    while (beginning->begun < beginning->size) {
      unsigned turn = beginning->begun++;
      unsigned lane = modes.reverse ? beginning->size - 1 - turn : turn;
      Thread& thread = threads[WARP * (beginning - warps) + lane];
      thread.waits = Waits::NOT;
      thread.fiber = running;
      choose(&thread);
      launched->kernel->call(launched->parameters);
      endThread(*now);
    }
    now = nullptr;
    park();
  }
}

void resume(Fiber* fiber) {
  running = fiber;
  if (!fiber->begun) {
    fiber->begun = true;
    fiber->place.prepare(fiber->stack, STACK, fiberMain);
  }
  Place::change(host, fiber->place);
  if (!failed && now == nullptr) {
    idle.push_back(fiber);
  }
}

// Runs the threads of a warp until all wait at the block's barrier, for lanes that do not come, or are done.
bool runWarp(Warp& warp) {
  bool moved = false, again = true;
  beginning = &warp;
  while (warp.begun < warp.size && !failed) {
    Fiber* fiber = idle.back();
    idle.pop_back();
    resume(fiber);
    moved = true;
  }
  Thread* first = threads + WARP * (&warp - warps);
  while (again && !failed) {
    again = false;
    for (unsigned turn = 0; turn < warp.size && !failed; turn++) {
      Thread& thread = first[modes.reverse ? warp.size - 1 - turn : turn];
      if (thread.waits == Waits::NOT) {
        choose(&thread);
        resume(thread.fiber);
        moved = again = true;
      }
    }
  }
  return moved;
}

void runBlock() {
  done = waiting = 0;
  for (unsigned i = 0; i < threadCount; i++) {
    threads[i].waits = Waits::NEW;
  }
  for (unsigned i = 0; i < warpCount; i++) {
    warps[i].begun = 0;
    warps[i].alive = warps[i].size == WARP ? ~0u : (1u << warps[i].size) - 1;
  }
  while (done < threadCount && !failed) {
    bool moved = false;
    for (unsigned turn = 0; turn < warpCount && !failed; turn++) {
      moved |= runWarp(warps[modes.reverse ? warpCount - 1 - turn : turn]);
    }
    if (failed || done == threadCount) {
      return;
    }
    if (waiting > 0 && waiting + done == threadCount) {
      releaseBarrier();
    } else if (!moved) {
      report("kernel %s, block (%u,%u,%u): %u threads wait at the barrier of line %d, %u for lanes of their warp, "
             "%u are done", launched->name, state->blockIdx.x, state->blockIdx.y, state->blockIdx.z, waiting,
             barrierLine, threadCount - waiting - done, done);
      failed = CUDA_ERROR_LAUNCH_FAILED;
    }
  }
}

void poison() {
  const ModuleEntry& module = *launched->module;
  memset(module.shared, 0xFF, module.dynamic - module.shared);
  memset(module.dynamic, 0xFF, launched->dynamicBytes);
  memset(module.dynamic + DYNAMIC_MOST, 0xFF, module.sharedEnd - (module.dynamic + DYNAMIC_MOST));
}

void prepare() {
  if (!stacks) {
    stacks = static_cast<char*>(mmap(nullptr, MOST_THREADS * (GUARD + STACK), PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    for (unsigned i = 0; i < MOST_THREADS; i++) {
      char* at = stacks + i * (GUARD + STACK);
      mprotect(at, GUARD, PROT_NONE);
      fibers[i] = {at + GUARD, {}, false};
    }
  }
  // After a failure some hold threads that never end.
  if (idle.size() < MOST_THREADS) {
    idle.clear();
    for (unsigned i = MOST_THREADS; i > 0; i--) {
      fibers[i - 1].begun = false;
      idle.push_back(&fibers[i - 1]);
    }
  }
  const uint3& block = launched->block;
  threadCount = block.x * block.y * block.z;
  warpCount = (threadCount + WARP - 1) / WARP;
  for (unsigned i = 0; i < threadCount; i++) {
    threads[i].index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    threads[i].lane = i % WARP;
    threads[i].warp = i / WARP;
  }
  for (unsigned i = 0; i < warpCount; i++) {
    warps[i].size = std::min(WARP, threadCount - i * WARP);
    warps[i].groups.clear();
  }
}

}  // namespace

const Launch& runningLaunch() { return *launched; }

bool onStack(const char* at, unsigned long bytes) {
  return at >= running->stack && at + bytes <= running->stack + STACK;
}

char* stackTop() { return running->stack + STACK; }

void stop(CUresult status, const char* format, ...) {
  char what[500];
  va_list values;
  va_start(values, format);
  vsnprintf(what, sizeof what, format, values);
  va_end(values);
  report("kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s", launched->name, state->blockIdx.x, state->blockIdx.y,
         state->blockIdx.z, now->index.x, now->index.y, now->index.z, what);
  failed = status;
  running->begun = false;
  Place::change(running->place, host);
  __builtin_trap();
}

CUresult run(const Launch& launch) {
  Lock lock(mutex);
  if (!reserve()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  launched = &launch;
  state = launch.module->state;
  state->services = SERVICES;
  state->memory = reinterpret_cast<unsigned long>(memory);
  state->shadow = reinterpret_cast<unsigned long>(shadow);
  state->blockDim = launch.block;
  state->gridDim = launch.grid;
  modes.tracked = modes.tracked && launch.module->checked;
  failed = CUDA_SUCCESS;
  prepare();
  Faults faults;
  for (unsigned z = 0; z < launch.grid.z; z++) {
    for (unsigned y = 0; y < launch.grid.y; y++) {
      for (unsigned x = 0; x < launch.grid.x && !failed; x++) {
        state->blockIdx = {x, y, z};
        poison();
        runBlock();
      }
    }
  }
  return failed;
}

}  // namespace soft
