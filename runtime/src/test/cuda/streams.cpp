// The software driver's streams: what runs when. Every stream has a queue; it is emptied at once, or in the lazy mode
// when something waits for it. And events, which are places in a queue.
#include "state.h"

#include <chrono>

using namespace soft;

static_assert(CU_STREAM_CAPTURE_MODE_GLOBAL == 0 && CU_STREAM_CAPTURE_MODE_THREAD_LOCAL == 1);
static_assert(CU_STREAM_CAPTURE_MODE_RELAXED == 2 && CU_STREAM_CAPTURE_STATUS_NONE == 0);
static_assert(CU_STREAM_CAPTURE_STATUS_ACTIVE == 1 && CU_STREAM_CAPTURE_STATUS_INVALIDATED == 2);
static_assert(CU_STREAM_NON_BLOCKING == 1 && CU_EVENT_BLOCKING_SYNC == 1 && CU_EVENT_DISABLE_TIMING == 2);

namespace {

// One recording of an event: a place in a stream.
struct Record {
  std::shared_ptr<Stream> stream;
  bool done = false;
  std::chrono::steady_clock::time_point time;
};

struct Event {
  std::shared_ptr<Context> context;
  unsigned flags;
  std::shared_ptr<Record> record;  // the last one
  bool captured = false;
};

Handles<Stream> streams;
Handles<Event> events;

void runFirst(Stream& stream) {
  Operation operation = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (stream.context->lost) {
    return;
  }
  if (CUresult status = operation.work()) {
    report("%s failed with %d: the context is lost", operation.what, status);
    stream.context->lost = status;
  }
}

CUresult runUntil(const std::shared_ptr<Record>& record) {
  while (!record->done && !record->stream->queue.empty()) {
    runFirst(*record->stream);
  }
  return record->stream->context->lost;
}

std::shared_ptr<Event> findEvent(CUevent handle, const char* function) {
  auto event = events.find(handle);
  if (!event) {
    report("%s: %p is no event, or was destroyed", function, static_cast<void*>(handle));
  }
  return event;
}

}  // namespace

namespace soft {

std::shared_ptr<Stream> findStream(CUstream handle, const char* function) {
  auto context = current();
  if (!handle && context) {
    if (!context->standard) {
      context->standard = std::make_shared<Stream>();
      context->standard->context = context;
    }
    return context->standard;
  }
  auto stream = streams.find(handle);
  if (!stream) {
    report("%s: %p is no stream, or was destroyed", function, static_cast<void*>(handle));
  } else if (stream->context != context) {
    report("%s: the stream is of another context than the current one", function);
    stream = nullptr;
  }
  return stream;
}

CUresult enqueue(CUstream handle, std::function<CUresult()> work, const char* what) {
  Lock lock(mutex);
  auto context = current();
  if (!context) {
    return refuse(CUDA_ERROR_INVALID_CONTEXT, "%s: this thread has no current context", what);
  }
  if (context->lost) {
    return context->lost;
  }
  auto stream = findStream(handle, what);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream->capture) {
    stream->capture->operations.push_back({what, std::move(work)});
    return stream->capture->valid ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  stream->queue.push_back({what, std::move(work)});
  return modes.lazy ? CUDA_SUCCESS : drain(*stream);
}

CUresult drain(Stream& stream) {
  while (!stream.queue.empty()) {
    runFirst(stream);
  }
  return stream.context->lost;
}

CUresult drain(const std::shared_ptr<Context>& context) {
  for (auto& stream : streams.all()) {
    if (stream->context == context) {
      drain(*stream);
    }
  }
  if (context->standard) {
    drain(*context->standard);
  }
  return context->lost;
}

CUresult notInCapture(Stream& stream, const char* function) {
  if (!stream.capture) {
    return CUDA_SUCCESS;
  }
  stream.capture->valid = false;
  return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "%s: the stream is being captured", function);
}

CUresult notWhileCapturing(const char* function) {
  for (auto& stream : streams.all()) {
    if (stream->capture && stream->capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
        (stream->capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
         stream->capture->thread == std::this_thread::get_id())) {
      return notInCapture(*stream, function);
    }
  }
  return CUDA_SUCCESS;
}

long long liveStreams() { return streams.count() + events.count(); }

void clearStreams() {
  // A queue may hold what holds its stream.
  for (auto& stream : streams.all()) {
    stream->queue.clear();
  }
  for (int device = 0; device < deviceCount(); device++) {
    if (auto& standard = primary(device)->standard) {
      standard->queue.clear();
      standard->context.reset();
    }
  }
  streams.clear();
  events.clear();
}

}  // namespace soft

// --- streams ---

EXPORT CUresult cuStreamCreate(CUstream* handle, unsigned int flags) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(handle && flags <= CU_STREAM_NON_BLOCKING);
  auto stream = std::make_shared<Stream>();
  stream->context = current();
  *handle = static_cast<CUstream>(streams.add(stream));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamDestroy_v2(CUstream handle) {
  BEGIN(Needs::CONTEXT);
  auto stream = handle ? findStream(handle, __func__) : nullptr;
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  // What is in it still runs.
  CUresult status = drain(*stream);
  streams.remove(handle);
  return status;
}

EXPORT CUresult cuStreamSynchronize(CUstream handle) {
  BEGIN(Needs::CONTEXT);
  auto stream = findStream(handle, __func__);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  CUresult status = notInCapture(*stream, __func__);
  return status ? status : drain(*stream);
}

// What is in the queue is run afterwards, so that who asks again finds it done.
EXPORT CUresult cuStreamQuery(CUstream handle) {
  BEGIN(Needs::CONTEXT);
  auto stream = findStream(handle, __func__);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (CUresult status = notInCapture(*stream, __func__)) {
    return status;
  }
  bool ready = stream->queue.empty();
  CUresult status = drain(*stream);
  return status || ready ? status : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuStreamWaitEvent(CUstream handle, CUevent eventHandle, unsigned int flags) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(flags == 0);
  auto stream = findStream(handle, __func__);
  auto event = findEvent(eventHandle, __func__);
  if (!stream || !event) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream->capture && !event->captured) {
    stream->capture->valid = false;
    return refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "%s: what is captured would wait for what is not", __func__);
  }
  if (event->captured && (!stream->capture || event->record->stream != stream)) {
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "%s: a second stream would be captured", __func__);
  }
  auto record = event->record;
  if (!record || event->captured) {
    return CUDA_SUCCESS;
  }
  return enqueue(
      handle, [record] { return runUntil(record); }, __func__);
}

EXPORT CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(mode == CU_STREAM_CAPTURE_MODE_GLOBAL || mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL ||
          mode == CU_STREAM_CAPTURE_MODE_RELAXED);
  auto stream = findStream(handle, __func__);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!handle) {
    return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "%s: the null stream cannot be captured", __func__);
  }
  if (stream->capture) {
    return refuse(CUDA_ERROR_ILLEGAL_STATE, "%s: the stream is being captured", __func__);
  }
  stream->capture = std::make_unique<Capture>();
  stream->capture->thread = std::this_thread::get_id();
  stream->capture->mode = mode;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(graph);
  *graph = nullptr;
  auto stream = findStream(handle, __func__);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!stream->capture) {
    return refuse(CUDA_ERROR_ILLEGAL_STATE, "%s: the stream is not being captured", __func__);
  }
  if (stream->capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      stream->capture->thread != std::this_thread::get_id()) {
    return refuse(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "%s: another thread began the capture", __func__);
  }
  auto capture = std::move(stream->capture);
  if (!capture->valid) {
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  *graph = addGraph(std::move(capture->operations));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(status);
  auto stream = findStream(handle, __func__);
  if (!stream) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  *status = !stream->capture         ? CU_STREAM_CAPTURE_STATUS_NONE
            : stream->capture->valid ? CU_STREAM_CAPTURE_STATUS_ACTIVE
                                     : CU_STREAM_CAPTURE_STATUS_INVALIDATED;
  return CUDA_SUCCESS;
}

// --- events ---

EXPORT CUresult cuEventCreate(CUevent* handle, unsigned int flags) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(handle && flags <= (CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING));
  auto event = std::make_shared<Event>();
  event->context = current();
  event->flags = flags;
  *handle = static_cast<CUevent>(events.add(event));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuEventDestroy_v2(CUevent handle) {
  BEGIN(Needs::CONTEXT);
  if (!events.remove(handle)) {
    return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: %p is no event, or was destroyed", __func__,
                  static_cast<void*>(handle));
  }
  return CUDA_SUCCESS;
}

EXPORT CUresult cuEventRecord(CUevent handle, CUstream streamHandle) {
  BEGIN(Needs::CONTEXT);
  auto stream = findStream(streamHandle, __func__);
  auto event = findEvent(handle, __func__);
  if (!stream || !event) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (event->context != stream->context) {
    return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: the event is of another context than the stream", __func__);
  }
  auto record = std::make_shared<Record>();
  record->stream = stream;
  event->record = record;
  // In a graph it only says what comes before what.
  event->captured = stream->capture != nullptr;
  if (event->captured) {
    return CUDA_SUCCESS;
  }
  return enqueue(
      streamHandle,
      [record] {
        record->done = true;
        record->time = std::chrono::steady_clock::now();
        return CUDA_SUCCESS;
      },
      __func__);
}

// What an event that is waited for or asked says; whether it was done before.
static CUresult settle(CUevent handle, const char* function, bool* ready) {
  auto event = findEvent(handle, function);
  if (!event) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (CUresult status = notWhileCapturing(function)) {
    return status;
  }
  if (event->captured) {
    return refuse(CUDA_ERROR_CAPTURED_EVENT, "%s: the event was recorded into a graph", function);
  }
  *ready = !event->record || event->record->done;
  return *ready ? CUDA_SUCCESS : runUntil(event->record);
}

EXPORT CUresult cuEventSynchronize(CUevent handle) {
  BEGIN(Needs::CONTEXT);
  bool ready;
  return settle(handle, __func__, &ready);
}

EXPORT CUresult cuEventQuery(CUevent handle) {
  BEGIN(Needs::CONTEXT);
  bool ready;
  CUresult status = settle(handle, __func__, &ready);
  return status || ready ? status : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent start, CUevent end) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(milliseconds);
  auto first = findEvent(start, __func__);
  auto last = findEvent(end, __func__);
  if (!first || !last) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  for (auto& event : {first, last}) {
    if (event->flags & CU_EVENT_DISABLE_TIMING || !event->record || event->captured) {
      return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: an event takes no time, or was not recorded", __func__);
    }
  }
  if (!first->record->done || !last->record->done) {
    return CUDA_ERROR_NOT_READY;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(last->record->time - first->record->time).count();
  return CUDA_SUCCESS;
}
