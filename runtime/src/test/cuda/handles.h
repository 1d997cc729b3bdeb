// Handles of a library's objects. They are numbers that are never given twice and no addresses, so that one that was
// destroyed or comes from elsewhere is always noticed and never followed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace soft {

// Counts from where no other library of the software device does.
inline uintptr_t nextHandle() {
  static std::mutex mutex;
  static uintptr_t last = reinterpret_cast<uintptr_t>(&last) << 16;
  std::lock_guard<std::mutex> lock(mutex);
  return last += 16;
}

template <class Object>
class Handles {
 public:
  void* add(std::shared_ptr<Object> object) {
    std::lock_guard<std::mutex> lock(mutex);
    uintptr_t handle = nextHandle();
    live[handle] = std::move(object);
    return reinterpret_cast<void*>(handle);
  }

  // Null where no such handle is live.
  std::shared_ptr<Object> find(const void* handle) {
    std::lock_guard<std::mutex> lock(mutex);
    auto found = live.find(reinterpret_cast<uintptr_t>(handle));
    return found == live.end() ? nullptr : found->second;
  }

  // Lets a live handle stand for another object.
  void replace(const void* handle, std::shared_ptr<Object> object) {
    std::lock_guard<std::mutex> lock(mutex);
    live[reinterpret_cast<uintptr_t>(handle)] = std::move(object);
  }

  bool remove(const void* handle) {
    std::lock_guard<std::mutex> lock(mutex);
    return live.erase(reinterpret_cast<uintptr_t>(handle)) > 0;
  }

  void clear() {
    std::lock_guard<std::mutex> lock(mutex);
    live.clear();
  }

  std::vector<std::shared_ptr<Object>> all() {
    std::lock_guard<std::mutex> lock(mutex);
    std::vector<std::shared_ptr<Object>> objects;
    for (auto& entry : live) {
      objects.push_back(entry.second);
    }
    return objects;
  }

  int count() {
    std::lock_guard<std::mutex> lock(mutex);
    return static_cast<int>(live.size());
  }

 private:
  std::mutex mutex;
  std::map<uintptr_t, std::shared_ptr<Object>> live;
};

}  // namespace soft
