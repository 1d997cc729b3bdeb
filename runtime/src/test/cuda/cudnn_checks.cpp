// What the software cuDNN demands of the descriptors of a graph and of a variant pack when they are finalized.
#include "cudnn_descriptors.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace dnn {

static bool isSupported(int dataType) {
  return dataType == CUDNN_DATA_FLOAT || dataType == CUDNN_DATA_HALF || dataType == CUDNN_DATA_BFLOAT16;
}

Tensor::Tensor(const Contents& contents)
    : id(contents.one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID, 0)),
      dataType(contents.one<int>(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT)),
      type(dataType == CUDNN_DATA_HALF       ? soft::Type::F16
           : dataType == CUDNN_DATA_BFLOAT16 ? soft::Type::BF16
                                             : soft::Type::F32),
      alignment(contents.one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1)),
      dimensions(contents.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
      strides(contents.all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
      isVirtual(contents.one<char>(CUDNN_ATTR_TENSOR_IS_VIRTUAL, 0) != 0),
      byValue(contents.one<char>(CUDNN_ATTR_TENSOR_IS_BY_VALUE, 0) != 0) {}

int64_t Tensor::count() const {
  return std::accumulate(dimensions.begin(), dimensions.end(), int64_t{1}, std::multiplies<>());
}

std::vector<Operand> tensorsOf(const Contents& operation) {
  std::vector<int> names;
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      names = {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
               CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
      break;
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      names = {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
               CUDNN_ATTR_OPERATION_POINTWISE_YDESC};
      break;
    default:
      names = {CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
               CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC,
               CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC};
  }
  std::vector<Operand> tensors;
  for (int name : names) {
    if (Operand tensor = operation.operand(name)) {
      tensors.push_back(tensor);
    }
  }
  return tensors;
}

static cudnnStatus_t completeTensor(const Contents& contents) {
  Tensor tensor(contents);
  if (!isSupported(tensor.dataType)) {
    return fail(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "tensor %ld: data type %d", tensor.id, tensor.dataType);
  }
  if (tensor.dimensions.empty() || tensor.dimensions.size() != tensor.strides.size()) {
    return fail(CUDNN_STATUS_BAD_PARAM, "tensor %ld: %zu dimensions and %zu strides", tensor.id,
                tensor.dimensions.size(), tensor.strides.size());
  }
  for (size_t i = 0; i < tensor.dimensions.size(); i++) {
    if (tensor.dimensions[i] < 1 || tensor.strides[i] < 1) {
      return fail(CUDNN_STATUS_BAD_PARAM, "tensor %ld: dimension %zu is %ld with stride %ld", tensor.id, i,
                  tensor.dimensions[i], tensor.strides[i]);
    }
  }
  if (tensor.alignment < 1 || tensor.alignment % static_cast<int64_t>(soft::size(tensor.type)) != 0) {
    return fail(CUDNN_STATUS_BAD_PARAM, "tensor %ld: an alignment of %ld bytes", tensor.id, tensor.alignment);
  }
  if (tensor.byValue && (tensor.isVirtual || tensor.count() != 1)) {
    return fail(CUDNN_STATUS_BAD_PARAM, "tensor %ld: only one number that is not virtual is given by value", tensor.id);
  }
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t completeConvolution(const Contents& contents) {
  auto dimensions = contents.one<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0);
  for (int name : {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
                   CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS}) {
    auto values = contents.all<int64_t>(name);
    bool padding = name == CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS || name == CUDNN_ATTR_CONVOLUTION_POST_PADDINGS;
    if (static_cast<int64_t>(values.size()) != dimensions || dimensions < 1 || dimensions > 3) {
      return fail(CUDNN_STATUS_BAD_PARAM, "convolution: attribute %d has %zu elements for %ld dimensions", name,
                  values.size(), dimensions);
    }
    if (*std::min_element(values.begin(), values.end()) < (padding ? 0 : 1)) {
      return fail(CUDNN_STATUS_BAD_PARAM, "convolution: attribute %d is too small", name);
    }
  }
  int mode = contents.one<int>(CUDNN_ATTR_CONVOLUTION_CONV_MODE, -1);
  if (mode != CUDNN_CONVOLUTION && mode != CUDNN_CROSS_CORRELATION) {
    return fail(CUDNN_STATUS_BAD_PARAM, "convolution: mode %d", mode);
  }
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t completeConvolutionForward(const Contents& contents) {
  Operand convolution = contents.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
  Tensor x(*contents.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X));
  Tensor w(*contents.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W));
  Tensor y(*contents.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y));
  auto dilations = convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  auto strides = convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  auto before = convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  auto after = convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  size_t rank = before.size() + 2;
  if (x.dimensions.size() != rank || w.dimensions.size() != rank || y.dimensions.size() != rank) {
    return fail(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH,
                "convolution: x, w and y have %zu, %zu and %zu dimensions, not %zu", x.dimensions.size(),
                w.dimensions.size(), y.dimensions.size(), rank);
  }
  int64_t groups = x.dimensions[1] / w.dimensions[1];
  if (x.dimensions[1] % w.dimensions[1] != 0 || w.dimensions[0] % groups != 0 || y.dimensions[0] != x.dimensions[0] ||
      y.dimensions[1] != w.dimensions[0]) {
    return fail(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH,
                "convolution: x is %ld x %ld x .., w %ld x %ld x .., y %ld x %ld x ..", x.dimensions[0],
                x.dimensions[1], w.dimensions[0], w.dimensions[1], y.dimensions[0], y.dimensions[1]);
  }
  for (size_t i = 0; i < before.size(); i++) {
    int64_t room = x.dimensions[i + 2] + before[i] + after[i] - (w.dimensions[i + 2] - 1) * dilations[i] - 1;
    if (room < 0 || y.dimensions[i + 2] != room / strides[i] + 1) {
      return fail(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "convolution: dimension %zu of y is %ld, should be %ld", i + 2,
                  y.dimensions[i + 2], room < 0 ? 0 : room / strides[i] + 1);
    }
  }
  if (contents.number(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0) != 0) {
    return fail(CUDNN_STATUS_NOT_SUPPORTED, "convolution: beta is not 0");
  }
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t completePointwise(const Contents& contents) {
  int mode = contents.one<int>(CUDNN_ATTR_POINTWISE_MODE, -1);
  switch (mode) {
    case CUDNN_POINTWISE_ADD:
    case CUDNN_POINTWISE_MUL:
    case CUDNN_POINTWISE_IDENTITY:
    case CUDNN_POINTWISE_RELU_FWD:
    case CUDNN_POINTWISE_TANH_FWD:
    case CUDNN_POINTWISE_SIGMOID_FWD:
    case CUDNN_POINTWISE_GELU_FWD:
    case CUDNN_POINTWISE_SWISH_FWD:
    case CUDNN_POINTWISE_GELU_APPROX_TANH_FWD:
      return CUDNN_STATUS_SUCCESS;
    default:
      return fail(CUDNN_STATUS_NOT_SUPPORTED, "pointwise: mode %d", mode);
  }
}

static cudnnStatus_t completePointwiseOperation(const Contents& contents) {
  int mode = contents.operand(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)->one<int>(CUDNN_ATTR_POINTWISE_MODE, -1);
  bool binary = mode == CUDNN_POINTWISE_ADD || mode == CUDNN_POINTWISE_MUL;
  if (binary != contents.has(CUDNN_ATTR_OPERATION_POINTWISE_BDESC)) {
    return fail(CUDNN_STATUS_BAD_PARAM, "pointwise: mode %d takes %d operands", mode, binary ? 2 : 1);
  }
  auto tensors = tensorsOf(contents);
  Tensor y(*tensors.back());
  // Along each dimension one operand must be as long as the result; the other may have one element for all of it.
  for (size_t i = 0; i < y.dimensions.size(); i++) {
    int64_t longest = 1;
    for (size_t input = 0; input + 1 < tensors.size(); input++) {
      Tensor x(*tensors[input]);
      if (x.dimensions.size() != y.dimensions.size() || (x.dimensions[i] != 1 && x.dimensions[i] != y.dimensions[i])) {
        return fail(CUDNN_STATUS_BAD_PARAM, "pointwise: dimension %zu of tensor %ld does not fit that of tensor %ld", i,
                    x.id, y.id);
      }
      longest = std::max(longest, x.dimensions[i]);
    }
    if (longest != y.dimensions[i]) {
      return fail(CUDNN_STATUS_BAD_PARAM, "pointwise: nothing is as long as dimension %zu of tensor %ld", i, y.id);
    }
  }
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t completeAttention(const Contents& contents) {
  Tensor q(*contents.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC));
  Tensor k(*contents.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC));
  Tensor v(*contents.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC));
  Tensor o(*contents.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC));
  for (const Tensor* tensor : {&q, &k, &v, &o}) {
    if (tensor->dimensions.size() != 4) {
      return fail(CUDNN_STATUS_BAD_PARAM, "attention: tensor %ld has %zu dimensions", tensor->id,
                  tensor->dimensions.size());
    }
  }
  const auto &qd = q.dimensions, &kd = k.dimensions, &vd = v.dimensions, &od = o.dimensions;
  bool batches = kd[0] == qd[0] && vd[0] == qd[0] && od[0] == qd[0];
  bool heads = qd[1] % kd[1] == 0 && qd[1] % vd[1] == 0 && od[1] == qd[1];
  if (!batches || !heads || od[2] != qd[2] || kd[2] != vd[2] || kd[3] != qd[3] || od[3] != vd[3]) {
    return fail(CUDNN_STATUS_BAD_PARAM,
                "attention: Q %ld x %ld x %ld x %ld, K %ld x %ld x %ld x %ld, V %ld x %ld x %ld x %ld, "
                "O %ld x %ld x %ld x %ld",
                qd[0], qd[1], qd[2], qd[3], kd[0], kd[1], kd[2], kd[3], vd[0], vd[1], vd[2], vd[3], od[0], od[1], od[2],
                od[3]);
  }
  if (Operand scale = contents.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC)) {
    Tensor tensor(*scale);
    if (tensor.dimensions.size() != 4 || tensor.count() != 1 || tensor.type != soft::Type::F32) {
      return fail(CUDNN_STATUS_BAD_PARAM, "attention: the scale must be one float of 4 dimensions");
    }
  }
  return CUDNN_STATUS_SUCCESS;
}

// Looks at how the operations of a graph hang together.
static cudnnStatus_t completeGraph(Contents& contents) {
  std::map<int64_t, Operand> byId;
  std::set<int64_t> written, read;
  for (const Operand& operation : contents.operands(CUDNN_ATTR_OPERATIONGRAPH_OPS)) {
    auto tensors = tensorsOf(*operation);
    for (const Operand& operand : tensors) {
      Tensor tensor(*operand);
      if (!byId.insert({tensor.id, operand}).second && byId[tensor.id] != operand) {
        return fail(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "graph: two tensors have the number %ld", tensor.id);
      }
      if (operand == tensors.back()) {
        if (tensor.byValue || read.count(tensor.id) > 0 || !written.insert(tensor.id).second) {
          return fail(CUDNN_STATUS_BAD_PARAM, "graph: tensor %ld cannot be written, or not so late", tensor.id);
        }
      } else {
        read.insert(tensor.id);
        if (tensor.isVirtual && written.count(tensor.id) == 0) {
          return fail(CUDNN_STATUS_BAD_PARAM, "graph: virtual tensor %ld is read before it is written", tensor.id);
        }
      }
    }
  }
  for (const auto& [id, operand] : byId) {
    if (Tensor(*operand).isVirtual && read.count(id) == 0) {
      return fail(CUDNN_STATUS_BAD_PARAM, "graph: virtual tensor %ld is never read", id);
    }
  }
  if (byId.empty()) {
    return fail(CUDNN_STATUS_BAD_PARAM, "graph: no operations");
  }
  contents.put(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, {whyNoEngine(contents) == nullptr});
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t completePack(const Contents& contents) {
  auto ids = contents.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  size_t pointers = contents.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size();
  if (ids.size() != pointers) {
    return fail(CUDNN_STATUS_BAD_PARAM, "variant pack: %zu numbers of tensors and %zu pointers", ids.size(), pointers);
  }
  if (std::set<int64_t>(ids.begin(), ids.end()).size() != ids.size()) {
    return fail(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "variant pack: a number of a tensor comes twice");
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t complete(Contents& contents) {
  switch (contents.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return completeTensor(contents);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return completeConvolution(contents);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return completeConvolutionForward(contents);
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
      return completePointwise(contents);
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      return completePointwiseOperation(contents);
    case CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR:
      return completeAttention(contents);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      return completeGraph(contents);
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
      return completeEngine(contents);
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
      return completeConfiguration(contents);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return completeHeuristics(contents);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return completePlan(contents);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return completePack(contents);
    default:
      return CUDNN_STATUS_SUCCESS;
  }
}

}  // namespace dnn
