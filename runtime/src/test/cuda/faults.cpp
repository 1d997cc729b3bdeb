// Faults of the processor: a kernel without checks may access anything, and any kernel may divide by zero.
#include "fibers.h"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

namespace soft {
namespace {

const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE};
struct sigaction previous[3];
pthread_t kernelThread;
volatile bool inKernel = false;
int faultSignal;
void* faultAddress;

[[maybe_unused]] void landing() {
  if (faultSignal == SIGFPE) {
    stop(CUDA_ERROR_LAUNCH_FAILED, "it divides an integer by zero");
  }
  stop(CUDA_ERROR_ILLEGAL_ADDRESS, "it accesses %p", faultAddress);
}

void onFault(int signal, siginfo_t* info, void* context) {
  if (inKernel && pthread_equal(kernelThread, pthread_self())) {
#ifdef __x86_64__
    // Goes on in landing(), at the beginning of the thread's stack: what lies there is given up.
    faultSignal = signal;
    faultAddress = info->si_addr;
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    registers[REG_RIP] = reinterpret_cast<greg_t>(&landing);
    registers[REG_RSP] = reinterpret_cast<greg_t>(stackTop() - 8);
    return;
#endif
  }
  // Of another thread, or of the driver itself: it belongs to who was there before, a JVM for instance, which uses
  // faults.
  const struct sigaction& before = previous[signal == SIGSEGV ? 0 : signal == SIGBUS ? 1 : 2];
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler == SIG_DFL) {
    ::signal(signal, SIG_DFL);  // and it comes again
  } else if (before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
  }
}

}  // namespace

Faults::Faults() {
  static char alternate[64 << 10];
  stack_t own = {};
  own.ss_sp = alternate;
  own.ss_size = sizeof alternate;
  sigaltstack(&own, &stack);
  kernelThread = pthread_self();
  for (int i = 0; i < 3; i++) {
    // Asked for before, since a fault of another thread may come as soon as the handler is there.
    sigaction(SIGNALS[i], nullptr, &previous[i]);
    struct sigaction action = {};
    action.sa_sigaction = onFault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    action.sa_mask = previous[i].sa_mask;
    sigaction(SIGNALS[i], &action, nullptr);
  }
  inKernel = true;
}

Faults::~Faults() {
  inKernel = false;
  for (int i = 0; i < 3; i++) {
    sigaction(SIGNALS[i], &previous[i], nullptr);
  }
  sigaltstack(&stack, nullptr);
}

}  // namespace soft
