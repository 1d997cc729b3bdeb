// How the threads of a block run: one after the other, each until a barrier or to its end, on stacks of their own.
#pragma once

#include "cuda_driver.h"
#include "module.h"

#include <signal.h>

namespace soft {

struct Launch {
  const char* name;
  const ModuleEntry* module;
  const KernelEntry* kernel;
  const char* parameters;
  uint3 grid, block;
  unsigned dynamicBytes;
  // Of the module's file in memory: constants are read there.
  const char *image, *imageEnd;
};

// Runs a kernel to its end. What went wrong is in the report.
CUresult run(const Launch& launch);

// --- from within a thread of a kernel ---

const Launch& runningLaunch();

// Whether bytes lie on the stack of the running thread.
bool onStack(const char* at, unsigned long bytes);

// Where the stack of the running thread begins.
char* stackTop();

// Ends the launch.
[[noreturn]] void stop(CUresult status, const char* format, ...) __attribute__((format(printf, 2, 3)));

// What is called before every load and store; ends the launch if it is wrong.
void checkAccess(unsigned long at, unsigned long bytes, bool store);

// Catches faults of the processor in this thread as long as it lives, and ends the launch. A full stack may be the
// reason, so that the handler has one of its own.
class Faults {
 public:
  Faults();
  ~Faults();

 private:
  stack_t stack;
};

}  // namespace soft
