// Which graphs the software cuDNN computes: its one engine, what heuristics say of it, and plans with it.
#include "cudnn_descriptors.h"

#include <atomic>

namespace dnn {

// What soft_cudnn_refuse lets no engine compute.
enum Refusal {
  LONG_GRAPHS = 1,      // graphs of more than 2 operations
  UNEQUAL_PADDING = 2,  // convolutions that are padded otherwise before than after
  ATTENTION = 4,        // SDPA
  EVERYTHING = 8,
  CHANNELS_FIRST = 16,  // convolutions with more than one operation behind them that are not channels last
};

static std::atomic<int> refused{0};

static const char* whyNoConvolution(const Contents& operation, size_t operations) {
  Operand convolution = operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
  Tensor x(*operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X));
  Tensor w(*operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W));
  Tensor y(*operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y));
  if (x.type != w.type || (y.type != x.type && y.type != soft::Type::F32)) {
    return "convolutions have x and w of one type, and y of that or of float";
  }
  if (convolution->one<int>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, -1) != CUDNN_DATA_FLOAT) {
    return "convolutions compute in float";
  }
  bool equal = convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS) ==
               convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  if ((refused & UNEQUAL_PADDING) != 0 && !equal) {
    return "convolutions of unequal padding are refused";
  }
  if ((refused & CHANNELS_FIRST) != 0 && operations > 2 && x.strides[1] != 1) {
    return "convolutions with two operations behind them are refused unless channels are last";
  }
  return nullptr;
}

static const char* whyNoAttention(const Contents& operation) {
  auto tensors = tensorsOf(operation);
  for (int name : {CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC,
                   CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC}) {
    if (Tensor(*operation.operand(name)).type != Tensor(*tensors[0]).type) {
      return "attention has Q, K, V and O of one type";
    }
  }
  return (refused & ATTENTION) != 0 ? "attention is refused" : nullptr;
}

const char* whyNoEngine(const Contents& graph) {
  auto operations = graph.operands(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  if ((refused & EVERYTHING) != 0 || ((refused & LONG_GRAPHS) != 0 && operations.size() > 2)) {
    return "such graphs are refused";
  }
  for (size_t i = 0; i < operations.size(); i++) {
    const Contents& operation = *operations[i];
    const char* why = nullptr;
    switch (operation.type) {
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        why = i > 0 ? "a convolution comes first" : whyNoConvolution(operation, operations.size());
        break;
      case CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR:
        why = operations.size() > 1 ? "attention is alone" : whyNoAttention(operation);
        break;
      default:
        if (operation.operand(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)
                ->one<int>(CUDNN_ATTR_POINTWISE_MATH_PREC, -1) != CUDNN_DATA_FLOAT) {
          why = "pointwise operations compute in float";
        }
    }
    if (why != nullptr) {
      return why;
    }
  }
  return nullptr;
}

int64_t workspaceOf(const Contents& graph) {
  return graph.operands(CUDNN_ATTR_OPERATIONGRAPH_OPS).size() > 1 ? 256 : 0;
}

cudnnStatus_t completeEngine(Contents& contents) {
  const char* why = whyNoEngine(*contents.operand(CUDNN_ATTR_ENGINE_OPERATION_GRAPH));
  if (why != nullptr) {
    return fail(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "engine: %s", why);
  }
  auto index = contents.one<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, -1);
  if (index != 0) {
    return fail(CUDNN_STATUS_NOT_SUPPORTED, "engine: there is no engine %ld", index);
  }
  return CUDNN_STATUS_SUCCESS;
}

static Operand graphOf(const Contents& configuration) {
  return configuration.operand(CUDNN_ATTR_ENGINECFG_ENGINE)->operand(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
}

cudnnStatus_t completeConfiguration(Contents& contents) {
  contents.put(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, {workspaceOf(*graphOf(contents))});
  return CUDNN_STATUS_SUCCESS;
}

// Puts the one configuration that there is to the results, or none.
cudnnStatus_t completeHeuristics(Contents& contents) {
  int mode = contents.one<int>(CUDNN_ATTR_ENGINEHEUR_MODE, -1);
  if (mode < CUDNN_HEUR_MODE_INSTANT || mode > CUDNN_HEUR_MODE_A) {
    return fail(CUDNN_STATUS_BAD_PARAM, "heuristics: mode %d", mode);
  }
  Operand graph = contents.operand(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  if (!graph->has(CUDNN_ATTR_OPERATIONGRAPH_HANDLE) && !contents.has(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP)) {
    return fail(CUDNN_STATUS_BAD_PARAM,
                "heuristics: neither the graph has a handle nor is there a device's description");
  }
  std::vector<Operand> results;
  if (whyNoEngine(*graph) == nullptr) {
    auto engine = std::make_shared<Contents>();
    engine->type = CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    engine->put(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, {graph});
    engine->put(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, {0});
    engine->finalized = true;
    auto configuration = std::make_shared<Contents>();
    configuration->type = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
    configuration->put(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, {engine});
    configuration->put(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, {workspaceOf(*graph)});
    configuration->finalized = true;
    results.push_back(configuration);
  }
  contents.put(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, results);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t completePlan(Contents& contents) {
  if (!contents.has(CUDNN_ATTR_EXECUTION_PLAN_HANDLE) && !contents.has(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP)) {
    return fail(CUDNN_STATUS_BAD_PARAM, "plan: neither a handle nor a device's description");
  }
  Operand graph = graphOf(*contents.operand(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG));
  const char* why = whyNoEngine(*graph);
  if (why != nullptr) {
    return fail(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "plan: %s", why);
  }
  contents.put(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, {workspaceOf(*graph)});
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace dnn

// Lets no engine compute what has its bit set: 1 graphs of more than 2 operations, 2 convolutions that are padded
// otherwise before than after, 4 attention, 8 anything, 16 convolutions with two operations behind them whose channels
// are not last.
EXPORT void soft_cudnn_refuse(int what) { dnn::refused = what; }
