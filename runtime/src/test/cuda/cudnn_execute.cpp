// Running an execution plan of the software cuDNN: what it is given is checked at the call, and again, as far as memory
// goes, when the work's turn in the stream comes.
#include "cudnn_operations.h"

#include <algorithm>
#include <set>

using namespace dnn;

namespace {

// Where the tensors of a graph are, by their numbers.
struct Places {
  std::map<int64_t, void*> memory;
  std::map<int64_t, float> scalars;
};

// What a tensor takes in memory: runs of elements next to each other, so many of them a stride apart, and that repeated
// along the other dimensions.
struct Rows {
  int64_t run = 1;
  int64_t count = 1;
  int64_t stride = 1;
  std::vector<int64_t> dimensions, strides;

  explicit Rows(const Tensor& tensor) {
    // From the smallest stride on, a dimension that begins where the one before ends goes with it.
    std::vector<std::pair<int64_t, int64_t>> parts;
    std::vector<size_t> order(tensor.dimensions.size());
    for (size_t i = 0; i < order.size(); i++) {
      order[i] = i;
    }
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tensor.strides[a] < tensor.strides[b]; });
    for (size_t i : order) {
      if (tensor.dimensions[i] == 1) {
        continue;
      }
      if (!parts.empty() && tensor.strides[i] == parts.back().first * parts.back().second) {
        parts.back().first *= tensor.dimensions[i];
      } else {
        parts.push_back({tensor.dimensions[i], tensor.strides[i]});
      }
    }
    size_t at = 0;
    if (at < parts.size() && parts[at].second == 1) {
      run = parts[at++].first;
    }
    if (at < parts.size()) {
      count = parts[at].first;
      stride = parts[at++].second;
    }
    for (; at < parts.size(); at++) {
      dimensions.push_back(parts[at].first);
      strides.push_back(parts[at].second);
    }
  }

  template <class Visit>
  bool all(const Tensor& tensor, void* memory, Visit visit) const {
    auto size = static_cast<int64_t>(soft::size(tensor.type));
    bool good = true;
    forEach(dimensions, strides, [&](int64_t, int64_t offset) {
      good = good && visit(static_cast<char*>(memory) + offset * size, static_cast<size_t>(count),
                           static_cast<size_t>(run * size), static_cast<size_t>(std::max(stride, run) * size));
    });
    return good;
  }
};

std::string nameOf(const Tensor& tensor) { return "tensor " + std::to_string(tensor.id) + " of cudnnBackendExecute"; }

bool readable(const Tensor& tensor, void* memory) {
  return Rows(tensor).all(tensor, memory, [&](char* from, size_t rows, size_t bytes, size_t stride) {
    return soft::readable(from, rows, bytes, stride, nameOf(tensor).c_str());
  });
}

bool writable(const Tensor& tensor, void* memory) {
  return Rows(tensor).all(tensor, memory, [&](char* to, size_t rows, size_t bytes, size_t stride) {
    return soft::writable(to, rows, bytes, stride, nameOf(tensor).c_str());
  });
}

void written(const Tensor& tensor, void* memory) {
  Rows(tensor).all(tensor, memory, [&](char* at, size_t rows, size_t bytes, size_t stride) {
    soft::written(at, rows, bytes, stride);
    return true;
  });
}

// Thrown where memory cannot be used; why is reported.
struct IllegalAddress {};

// One run of a graph with the values that it knows by now.
class Run {
 public:
  explicit Run(const Places& places) : places(places) {}

  void operation(const Contents& operation) {
    auto tensors = tensorsOf(operation);
    const Contents& result = *tensors.back();
    switch (operation.type) {
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        put(result, convolve(operation, get(*tensors[0]), get(*tensors[1])));
        break;
      case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        put(result, pointwise(operation, get(*tensors[0]), tensors.size() > 2 ? get(*tensors[1]) : Values()));
        break;
      default: {
        Operand scale = operation.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC);
        put(result, attend(operation, get(*tensors[0]), get(*tensors[1]), get(*tensors[2]),
                           scale == nullptr ? 1 : get(*scale)[0]));
      }
    }
  }

 private:
  const Values& get(const Contents& contents) {
    Tensor tensor(contents);
    auto found = known.find(tensor.id);
    if (found != known.end()) {
      return found->second;
    }
    Values& values = known[tensor.id];
    values.resize(tensor.count());
    if (tensor.byValue) {
      values[0] = places.scalars.at(tensor.id);
      return values;
    }
    void* memory = places.memory.at(tensor.id);
    if (!readable(tensor, memory)) {
      throw IllegalAddress();
    }
    forEach(tensor.dimensions, tensor.strides,
            [&](int64_t element, int64_t offset) { values[element] = soft::load(memory, offset, tensor.type); });
    return values;
  }

  // A tensor that no memory has is rounded as if it were stored, too.
  void put(const Contents& contents, Values values) {
    Tensor tensor(contents);
    if (!tensor.isVirtual) {
      void* memory = places.memory.at(tensor.id);
      if (!writable(tensor, memory)) {
        throw IllegalAddress();
      }
      forEach(tensor.dimensions, tensor.strides,
              [&](int64_t element, int64_t offset) { soft::store(memory, offset, tensor.type, values[element]); });
      written(tensor, memory);
    }
    if (tensor.type != soft::Type::F32) {
      for (float& value : values) {
        value = soft::rounded(value, tensor.type);
      }
    }
    known[tensor.id] = std::move(values);
  }

  const Places& places;
  std::map<int64_t, Values> known;
};

CUresult run(const Contents& graph, const Places& places) {
  try {
    Run run(places);
    for (const Operand& operation : graph.operands(CUDNN_ATTR_OPERATIONGRAPH_OPS)) {
      run.operation(*operation);
    }
    return CUDA_SUCCESS;
  } catch (const IllegalAddress&) {
    fail(CUDNN_STATUS_EXECUTION_FAILED, "cudnnBackendExecute: memory of a tensor cannot be used");
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
}

// Finds where a tensor is in a variant pack. A number that is given by value is read now: a graph that is captured
// keeps it.
cudnnStatus_t place(const Tensor& tensor, const std::map<int64_t, void*>& pointers, Places& places) {
  auto pointer = pointers.find(tensor.id);
  if (pointer == pointers.end()) {
    return fail(CUDNN_STATUS_BAD_PARAM, "cudnnBackendExecute: the variant pack lacks tensor %ld", tensor.id);
  }
  if (pointer->second == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "cudnnBackendExecute: the pointer of tensor %ld is null",
                tensor.id);
  }
  if (tensor.byValue) {
    places.scalars[tensor.id] = soft::load(pointer->second, 0, tensor.type);
  } else if (reinterpret_cast<uintptr_t>(pointer->second) % tensor.alignment != 0) {
    return fail(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER,
                "cudnnBackendExecute: tensor %ld at %p is not aligned to its %ld bytes", tensor.id, pointer->second,
                tensor.alignment);
  } else {
    places.memory[tensor.id] = pointer->second;
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t place(const Contents& graph, const Contents& pack, Places& places) {
  auto ids = pack.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  auto given = pack.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<int64_t, void*> pointers;
  for (size_t i = 0; i < ids.size(); i++) {
    pointers[ids[i]] = given[i];
  }
  std::set<int64_t> used;
  for (const Operand& operation : graph.operands(CUDNN_ATTR_OPERATIONGRAPH_OPS)) {
    for (const Operand& operand : tensorsOf(*operation)) {
      Tensor tensor(*operand);
      if (!tensor.isVirtual && used.insert(tensor.id).second) {
        cudnnStatus_t status = place(tensor, pointers, places);
        if (status != CUDNN_STATUS_SUCCESS) {
          return status;
        }
      }
    }
  }
  for (int64_t id : ids) {
    if (used.count(id) == 0) {
      return fail(CUDNN_STATUS_BAD_PARAM, "cudnnBackendExecute: the graph has no memory for tensor %ld", id);
    }
  }
  return CUDNN_STATUS_SUCCESS;
}

Operand finalized(cudnnBackendDescriptor_t descriptor, cudnnBackendDescriptorType_t type) {
  Operand contents = descriptors.find(descriptor);
  return contents != nullptr && contents->type == type && contents->finalized ? contents : nullptr;
}

}  // namespace

EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t planDescriptor,
                                         cudnnBackendDescriptor_t packDescriptor) {
  const char* function = "cudnnBackendExecute";
  ENTER(function);
  auto library = libraries.find(handle);
  if (library == nullptr || !soft::hasContext()) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p is no live handle, or there is no current context", function,
                static_cast<void*>(handle));
  }
  Operand plan = finalized(planDescriptor, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  Operand pack = finalized(packDescriptor, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  if (plan == nullptr || pack == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p and %p are no live and finalized plan and variant pack", function,
                planDescriptor, packDescriptor);
  }
  Operand graph = plan->operand(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
                      ->operand(CUDNN_ATTR_ENGINECFG_ENGINE)
                      ->operand(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
  Places places;
  cudnnStatus_t status = place(*graph, *pack, places);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  void* workspace = pack->one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, nullptr);
  int64_t needed = workspaceOf(*graph);
  if (needed > 0 &&
      (workspace == nullptr || !soft::writable(workspace, needed, "the workspace of cudnnBackendExecute"))) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: the plan needs %ld bytes of device memory at %p", function, needed,
                workspace);
  }
  CUresult result = soft::enqueue(library->stream, [graph, places] { return run(*graph, places); }, function);
  if (result != CUDA_SUCCESS) {
    return fail(CUDNN_STATUS_EXECUTION_FAILED, "%s: the driver says %d", function, static_cast<int>(result));
  }
  return CUDNN_STATUS_SUCCESS;
}
