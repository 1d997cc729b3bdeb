// What the parts of the software cuDNN share: what is behind its handles and descriptors.
#pragma once

#include "cuda_dnn.h"
#include "floats.h"
#include "handles.h"
#include "soft.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

// Begins every exported function: counts the call and returns the status of an injected failure.
#define ENTER(function)                            \
  do {                                             \
    cudnnStatus_t injected = dnn::enter(function); \
    if (injected != CUDNN_STATUS_SUCCESS) {        \
      return injected;                             \
    }                                              \
  } while (0)

namespace dnn {

cudnnStatus_t enter(const char* function);

// Sets the last error and reports it.
cudnnStatus_t fail(cudnnStatus_t status, const char* format, ...) __attribute__((format(printf, 2, 3)));

struct Library {
  cudaStream_t stream = nullptr;
};

struct Contents;
using Operand = std::shared_ptr<const Contents>;

// What an attribute was set to. Descriptors are held by what is behind their handles, which may be destroyed once the
// descriptor that refers to them is finalized.
struct Value {
  int type;
  int64_t count;
  std::vector<char> bytes;
  std::vector<Operand> operands;
};

// What is behind a descriptor. It does not change after it was finalized.
struct Contents {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<int, Value> values;

  bool has(int attribute) const { return values.count(attribute) > 0; }

  template <class Element>
  std::vector<Element> all(int attribute) const {
    auto found = values.find(attribute);
    std::vector<Element> elements;
    if (found != values.end()) {
      elements.resize(found->second.count);
      auto bytes = std::min(found->second.bytes.size(), elements.size() * sizeof(Element));
      std::copy_n(found->second.bytes.data(), bytes, reinterpret_cast<char*>(elements.data()));
    }
    return elements;
  }

  template <class Element>
  Element one(int attribute, Element otherwise) const {
    auto elements = all<Element>(attribute);
    return elements.empty() ? otherwise : elements[0];
  }

  // A number that is set as a float or as a double.
  double number(int attribute, double otherwise) const;

  // Null where there is none.
  Operand operand(int attribute) const;
  std::vector<Operand> operands(int attribute) const;

  void put(int attribute, int attributeType, std::vector<Operand> operands);
  void put(int attribute, const std::vector<int64_t>& numbers);
};

struct Tensor {
  int64_t id;
  int dataType;
  soft::Type type;
  int64_t alignment;
  std::vector<int64_t> dimensions, strides;
  bool isVirtual, byValue;

  explicit Tensor(const Contents& contents);

  int64_t count() const;
};

// What an operation reads and, last, what it writes.
std::vector<Operand> tensorsOf(const Contents& operation);

// Looks at all attributes of a descriptor together and adds those that follow from them.
cudnnStatus_t complete(Contents& contents);
cudnnStatus_t completeEngine(Contents& contents);
cudnnStatus_t completeConfiguration(Contents& contents);
cudnnStatus_t completeHeuristics(Contents& contents);
cudnnStatus_t completePlan(Contents& contents);

// Why no engine computes a graph, or null where one does.
const char* whyNoEngine(const Contents& graph);

int64_t workspaceOf(const Contents& graph);

extern soft::Handles<Library> libraries;
extern soft::Handles<Contents> descriptors;

}  // namespace dnn
