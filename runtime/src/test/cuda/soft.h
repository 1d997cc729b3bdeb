// What the libraries of the software device share. The driver (driver.cpp and what it is linked with) defines it and
// exports it from libcuda.so.1; the software NVRTC, cuBLASLt and cuDNN are linked against that.
#pragma once

#include "cuda_driver.h"

#include <cstddef>
#include <functional>

#pragma GCC visibility push(default)
namespace soft {

// Counts a call and gives the status of an injected failure, or 0. Every exported function of every library begins with
// it.
int enter(const char* function);

// Whether this thread has a current context.
bool hasContext();

// Runs work in the order of a stream, or records it where the stream is being captured. Work that gives another status
// than CUDA_SUCCESS loses the context: every later call returns that status.
CUresult enqueue(CUstream stream, std::function<CUresult()> work, const char* what);

// Whether bytes lie in one live allocation of the device; for reading, whether all of them were written before, too.
// What is wrong goes to the report.
bool readable(const void* from, size_t bytes, const char* what);
bool writable(const void* to, size_t bytes, const char* what);

// Rows of bytes that lie a stride apart.
bool readable(const void* from, size_t rows, size_t bytes, size_t stride, const char* what);
bool writable(const void* to, size_t rows, size_t bytes, size_t stride, const char* what);

// Takes note that bytes were written.
void written(void* at, size_t bytes);
void written(void* at, size_t rows, size_t bytes, size_t stride);

// Adds a line to the report, which tests read with soft_report.
void report(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace soft
#pragma GCC visibility pop
