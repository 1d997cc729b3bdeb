// What the parts of the software driver share.
#pragma once

#include "cuda_driver.h"
#include "handles.h"
#include "soft.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace soft {

// One lock around the whole device: what is called from several threads runs in turn.
extern std::recursive_mutex mutex;
using Lock = std::lock_guard<std::recursive_mutex>;

// What tests switch; soft_reset sets these values again.
struct Modes {
  bool strict = true;     // kernels are compiled with a check of every access
  bool lazy = false;      // operations run when something waits for them
  bool reverse = false;   // the threads of a block run from the last to the first
  bool tracked = true;    // every write was noted, so that a read of what was not written can be told
  int capability = 90;    // of the devices: 10 * major + minor
};
extern Modes modes;

// --- calls ---

enum class Needs { NOTHING, DRIVER, CONTEXT };

// What a call returns before it does anything.
CUresult begin(const char* function, Needs needs);

void clearCalls();

// Reports why a call is refused, and returns the status.
CUresult refuse(CUresult status, const char* format, ...) __attribute__((format(printf, 2, 3)));

#define BEGIN(needs)                                     \
  soft::Lock lock(soft::mutex);                          \
  if (CUresult status = soft::begin(__func__, needs)) {  \
    return status;                                       \
  }

// Refuses arguments of which something does not hold.
#define REQUIRE(condition)                                                                       \
  if (!(condition)) {                                                                            \
    return soft::refuse(CUDA_ERROR_INVALID_VALUE, "%s: it does not hold that %s", __func__, #condition); \
  }

// --- contexts ---

struct Stream;

// The primary context of a device.
struct Context {
  int device;
  CUcontext handle;
  CUmemoryPool pool;
  int references = 0;
  CUresult lost = CUDA_SUCCESS;        // what every call returns after work has failed
  std::shared_ptr<Stream> standard;    // the one that a null handle stands for
};

int deviceCount();

// That of a device, or null.
std::shared_ptr<Context> primary(int device);

// That of this thread, or null.
std::shared_ptr<Context> current();

size_t totalBytes(int device);

// --- streams ---

struct Operation {
  const char* what;
  std::function<CUresult()> work;
};

struct Capture {
  std::thread::id thread;
  CUstreamCaptureMode mode;
  std::vector<Operation> operations;
  bool valid = true;
};

struct Stream {
  std::shared_ptr<Context> context;
  std::deque<Operation> queue;
  std::unique_ptr<Capture> capture;
};

// The live stream of the current context behind a handle, or null after a report.
std::shared_ptr<Stream> findStream(CUstream handle, const char* function);

// Runs what is queued; the status is that of the context.
CUresult drain(Stream& stream);
CUresult drain(const std::shared_ptr<Context>& context);

// Refuses what would be unsafe while this thread captures, or in a stream that is captured; ends the capture in
// failure.
CUresult notWhileCapturing(const char* function);
CUresult notInCapture(Stream& stream, const char* function);

long long liveStreams();  // with events
void clearStreams();

// --- graphs ---

CUgraph addGraph(std::vector<Operation> operations);

long long liveGraphs();  // with their executables
void clearGraphs();

// --- memory ---

long long liveMemory();
long long livePinned();  // memory of the host
long long liveBytes(int device);
void clearMemory();
void clearPinned();

// Frees what a context that ends has left.
void clearMemory(int device);

// --- kernels ---

long long liveModules();
void clearModules();

}  // namespace soft
