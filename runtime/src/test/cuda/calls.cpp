// What the software device notes of the calls of all its libraries, what tests let fail, and the report of what was
// wrong.
#include "state.h"

#include <algorithm>
#include <cstdarg>
#include <cstring>
#include <map>

using namespace soft;

namespace {

// A failure that one call of a function to come is to have.
struct Planned {
  int calls;  // until then
  int status;
};

const size_t REPORT_MOST = 1 << 16;

std::map<std::string, int> failures;
std::map<std::string, std::vector<Planned>> planned;
std::map<std::string, int> calls;
long long totalCalls = 0;
std::string reported;

void add(const char* format, va_list values) {
  char line[1024];
  vsnprintf(line, sizeof line, format, values);
  if (reported.size() < REPORT_MOST) {
    reported.append(line).append("\n");
  }
}

}  // namespace

namespace soft {

int enter(const char* function) {
  Lock lock(mutex);
  calls[function]++;
  totalCalls++;
  auto failure = failures.find(function);
  if (failure != failures.end()) {
    return failure->second;
  }
  auto plans = planned.find(function);
  if (plans == planned.end()) {
    return 0;
  }
  int status = 0;
  auto& list = plans->second;
  for (auto& plan : list) {
    if (--plan.calls == 0) {
      status = plan.status;
    }
  }
  list.erase(std::remove_if(list.begin(), list.end(), [](const Planned& plan) { return plan.calls <= 0; }), list.end());
  return status;
}

void report(const char* format, ...) {
  Lock lock(mutex);
  va_list values;
  va_start(values, format);
  add(format, values);
  va_end(values);
}

CUresult refuse(CUresult status, const char* format, ...) {
  va_list values;
  va_start(values, format);
  add(format, values);
  va_end(values);
  return status;
}

void clearCalls() {
  failures.clear();
  planned.clear();
  calls.clear();
  totalCalls = 0;
  reported.clear();
}

}  // namespace soft

// Has a function of any library return a status from now on; none if the status is 0.
EXPORT void soft_fail(const char* function, int status) {
  Lock lock(mutex);
  if (status == 0) {
    failures.erase(function);
  } else {
    failures[function] = status;
  }
}

// Has the nth call from now on, counted from 1, return a status.
EXPORT void soft_fail_at(const char* function, int nth, int status) {
  Lock lock(mutex);
  planned[function].push_back({nth, status});
}

EXPORT int soft_calls(const char* function) {
  Lock lock(mutex);
  return calls[function];
}

EXPORT long long soft_total_calls() {
  Lock lock(mutex);
  return totalCalls;
}

// Copies what was reported, as far as it fits, and forgets it; without a place to copy to, only tells how long it is.
EXPORT int soft_report(char* to, int capacity) {
  Lock lock(mutex);
  int length = static_cast<int>(reported.size());
  if (to && capacity > 0) {
    int copied = std::min(length, capacity - 1);
    memcpy(to, reported.data(), copied);
    to[copied] = 0;
    reported.clear();
  }
  return length;
}
