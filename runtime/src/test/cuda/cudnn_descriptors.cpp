// The descriptors of the software cuDNN: which attributes each has, and setting and getting them.
#include "cudnn_descriptors.h"

#include <algorithm>

using namespace dnn;

namespace {

enum Need { REQUIRED, OPTIONAL, DERIVED };

constexpr int NONE = -1;

// Any descriptor of an operation.
constexpr int OPERATION = -2;

// As many elements as one likes.
constexpr int64_t MANY = INT64_MAX;

struct Attribute {
  int name;
  const char* text;
  int owner;
  int type;
  int otherType;  // scalars are floats or doubles
  int64_t most;
  Need need;
  int operand;  // the type of the descriptors that it holds
};

#define ATTRIBUTE(owner, name, type, most, need) \
  {CUDNN_ATTR_##name, #name, CUDNN_BACKEND_##owner##_DESCRIPTOR, CUDNN_TYPE_##type, NONE, most, need, NONE}
#define SCALAR(owner, name, need) \
  {CUDNN_ATTR_##name, #name, CUDNN_BACKEND_##owner##_DESCRIPTOR, CUDNN_TYPE_FLOAT, CUDNN_TYPE_DOUBLE, 1, need, NONE}
#define OPERAND(owner, name, operand, need) \
  {CUDNN_ATTR_##name,                       \
   #name,                                   \
   CUDNN_BACKEND_##owner##_DESCRIPTOR,      \
   CUDNN_TYPE_BACKEND_DESCRIPTOR,           \
   NONE,                                    \
   1,                                       \
   need,                                    \
   CUDNN_BACKEND_##operand##_DESCRIPTOR}

const Attribute ATTRIBUTES[] = {
    ATTRIBUTE(TENSOR, TENSOR_UNIQUE_ID, INT64, 1, REQUIRED),
    ATTRIBUTE(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE, 1, REQUIRED),
    ATTRIBUTE(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64, 1, REQUIRED),
    ATTRIBUTE(TENSOR, TENSOR_DIMENSIONS, INT64, CUDNN_DIM_MAX, REQUIRED),
    ATTRIBUTE(TENSOR, TENSOR_STRIDES, INT64, CUDNN_DIM_MAX, REQUIRED),
    ATTRIBUTE(TENSOR, TENSOR_IS_VIRTUAL, BOOLEAN, 1, OPTIONAL),
    ATTRIBUTE(TENSOR, TENSOR_IS_BY_VALUE, BOOLEAN, 1, OPTIONAL),

    ATTRIBUTE(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1, REQUIRED),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1, REQUIRED),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64, 1, REQUIRED),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_DILATIONS, INT64, CUDNN_DIM_MAX, REQUIRED),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64, CUDNN_DIM_MAX, REQUIRED),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64, CUDNN_DIM_MAX, REQUIRED),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64, CUDNN_DIM_MAX, REQUIRED),

    OPERAND(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CONVOLUTION, REQUIRED),
    OPERAND(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_X, TENSOR, REQUIRED),
    OPERAND(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_W, TENSOR, REQUIRED),
    OPERAND(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_Y, TENSOR, REQUIRED),
    SCALAR(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_ALPHA, REQUIRED),
    SCALAR(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_BETA, REQUIRED),

    ATTRIBUTE(POINTWISE, POINTWISE_MODE, POINTWISE_MODE, 1, REQUIRED),
    ATTRIBUTE(POINTWISE, POINTWISE_MATH_PREC, DATA_TYPE, 1, REQUIRED),
    SCALAR(POINTWISE, POINTWISE_RELU_LOWER_CLIP, OPTIONAL),
    SCALAR(POINTWISE, POINTWISE_RELU_UPPER_CLIP, OPTIONAL),
    SCALAR(POINTWISE, POINTWISE_RELU_LOWER_CLIP_SLOPE, OPTIONAL),
    SCALAR(POINTWISE, POINTWISE_SWISH_BETA, OPTIONAL),

    OPERAND(OPERATION_POINTWISE, OPERATION_POINTWISE_PW_DESCRIPTOR, POINTWISE, REQUIRED),
    OPERAND(OPERATION_POINTWISE, OPERATION_POINTWISE_XDESC, TENSOR, REQUIRED),
    OPERAND(OPERATION_POINTWISE, OPERATION_POINTWISE_BDESC, TENSOR, OPTIONAL),
    OPERAND(OPERATION_POINTWISE, OPERATION_POINTWISE_YDESC, TENSOR, REQUIRED),
    SCALAR(OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA1, OPTIONAL),
    SCALAR(OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA2, OPTIONAL),

    OPERAND(OPERATION_SDPA_FWD, OPERATION_SDPA_FWD_QDESC, TENSOR, REQUIRED),
    OPERAND(OPERATION_SDPA_FWD, OPERATION_SDPA_FWD_KDESC, TENSOR, REQUIRED),
    OPERAND(OPERATION_SDPA_FWD, OPERATION_SDPA_FWD_VDESC, TENSOR, REQUIRED),
    OPERAND(OPERATION_SDPA_FWD, OPERATION_SDPA_FWD_ODESC, TENSOR, REQUIRED),
    OPERAND(OPERATION_SDPA_FWD, OPERATION_SDPA_FWD_SCALEDESC, TENSOR, OPTIONAL),

    ATTRIBUTE(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, HANDLE, 1, OPTIONAL),
    {CUDNN_ATTR_OPERATIONGRAPH_OPS, "OPERATIONGRAPH_OPS", CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, NONE, MANY, REQUIRED, OPERATION},
    ATTRIBUTE(OPERATIONGRAPH, OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, INT64, 1, DERIVED),

    OPERAND(ENGINE, ENGINE_OPERATION_GRAPH, OPERATIONGRAPH, REQUIRED),
    ATTRIBUTE(ENGINE, ENGINE_GLOBAL_INDEX, INT64, 1, REQUIRED),
    ATTRIBUTE(ENGINE, ENGINE_NUMERICAL_NOTE, NUMERICAL_NOTE, MANY, DERIVED),
    ATTRIBUTE(ENGINE, ENGINE_BEHAVIOR_NOTE, BEHAVIOR_NOTE, MANY, DERIVED),
    OPERAND(ENGINE, ENGINE_DEVICEPROP, DEVICEPROP, OPTIONAL),

    OPERAND(ENGINECFG, ENGINECFG_ENGINE, ENGINE, REQUIRED),
    ATTRIBUTE(ENGINECFG, ENGINECFG_WORKSPACE_SIZE, INT64, 1, DERIVED),

    OPERAND(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, OPERATIONGRAPH, REQUIRED),
    ATTRIBUTE(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE, 1, REQUIRED),
    {CUDNN_ATTR_ENGINEHEUR_RESULTS, "ENGINEHEUR_RESULTS", CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, NONE, MANY, DERIVED, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR},
    OPERAND(ENGINEHEUR, ENGINEHEUR_DEVICEPROP, DEVICEPROP, OPTIONAL),

    ATTRIBUTE(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, HANDLE, 1, OPTIONAL),
    OPERAND(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, ENGINECFG, REQUIRED),
    ATTRIBUTE(EXECUTION_PLAN, EXECUTION_PLAN_WORKSPACE_SIZE, INT64, 1, DERIVED),
    OPERAND(EXECUTION_PLAN, EXECUTION_PLAN_DEVICEPROP, DEVICEPROP, OPTIONAL),

    ATTRIBUTE(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64, MANY, REQUIRED),
    ATTRIBUTE(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR, MANY, REQUIRED),
    ATTRIBUTE(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR, 1, REQUIRED),

    ATTRIBUTE(DEVICEPROP, DEVICEPROP_DEVICE_ID, INT32, 1, OPTIONAL),
    ATTRIBUTE(DEVICEPROP, DEVICEPROP_HANDLE, HANDLE, 1, OPTIONAL),
    ATTRIBUTE(DEVICEPROP, DEVICEPROP_JSON_REPRESENTATION, CHAR, MANY, OPTIONAL),
};

const Attribute* find(const Contents& contents, int name) {
  auto found = std::find_if(std::begin(ATTRIBUTES), std::end(ATTRIBUTES), [&](const Attribute& attribute) {
    return attribute.name == name && attribute.owner == contents.type;
  });
  return found == std::end(ATTRIBUTES) ? nullptr : found;
}

bool isDescriptor(int type) {
  return std::any_of(std::begin(ATTRIBUTES), std::end(ATTRIBUTES),
                     [type](const Attribute& attribute) { return attribute.owner == type; });
}

bool isOperation(int type) {
  return type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ||
         type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR || type == CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR;
}

size_t elementSize(int type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}

// Looks for an attribute as it is asked for.
cudnnStatus_t look(const Contents& contents, int name, int type, const char* function, const Attribute*& attribute) {
  attribute = find(contents, name);
  if (attribute == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: a descriptor of type %d has no attribute %d", function, contents.type,
                name);
  }
  if (type != attribute->type && type != attribute->otherType) {
    return fail(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "%s: %s has type %d, not %d", function, attribute->text,
                attribute->type, type);
  }
  return CUDNN_STATUS_SUCCESS;
}

std::vector<void*> handlesOf(const Value& value) {
  std::vector<void*> handles(value.bytes.size() / sizeof(void*));
  memcpy(handles.data(), value.bytes.data(), value.bytes.size());
  return handles;
}

// Takes over the descriptors that an attribute is set to.
cudnnStatus_t hold(const Attribute& attribute, Value& value) {
  for (void* handle : handlesOf(value)) {
    Operand operand = descriptors.find(handle);
    if (operand == nullptr) {
      return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p is no live descriptor", attribute.text, handle);
    }
    if (attribute.operand == OPERATION ? !isOperation(operand->type) : operand->type != attribute.operand) {
      return fail(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "%s: cannot be a descriptor of type %d", attribute.text,
                  operand->type);
    }
    if (!operand->finalized) {
      return fail(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "%s: the descriptor %p is not finalized", attribute.text,
                  handle);
    }
    value.operands.push_back(operand);
  }
  return CUDNN_STATUS_SUCCESS;
}

// Whether the handles that an attribute was set to still are live.
bool stillLive(const Value& value) {
  if (value.type != CUDNN_TYPE_HANDLE && value.type != CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    return true;
  }
  auto handles = handlesOf(value);
  return std::all_of(handles.begin(), handles.end(), [&](void* handle) {
    return value.type == CUDNN_TYPE_HANDLE ? libraries.find(handle) != nullptr : descriptors.find(handle) != nullptr;
  });
}

// Lets the descriptors that the caller created stand for those that an attribute holds.
cudnnStatus_t handOut(const Attribute& attribute, const Value& value, int64_t most, void* values) {
  void** handles = static_cast<void**>(values);
  for (int64_t i = 0; i < std::min(most, value.count); i++) {
    auto given = descriptors.find(handles[i]);
    if (given == nullptr || given->finalized || given->type != value.operands[i]->type) {
      return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p is no new descriptor of type %d", attribute.text, handles[i],
                  value.operands[i]->type);
    }
    // A copy, which nothing that is done to the other handle reaches.
    descriptors.replace(handles[i], std::make_shared<Contents>(*value.operands[i]));
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

double Contents::number(int attribute, double otherwise) const {
  auto found = values.find(attribute);
  if (found == values.end()) {
    return otherwise;
  }
  return found->second.type == CUDNN_TYPE_FLOAT ? one<float>(attribute, 0) : one<double>(attribute, 0);
}

std::vector<Operand> Contents::operands(int attribute) const {
  auto found = values.find(attribute);
  return found == values.end() ? std::vector<Operand>() : found->second.operands;
}

Operand Contents::operand(int attribute) const {
  auto all = operands(attribute);
  return all.empty() ? nullptr : all[0];
}

void Contents::put(int attribute, int attributeType, std::vector<Operand> operands) {
  values[attribute] = {attributeType, static_cast<int64_t>(operands.size()), {}, std::move(operands)};
}

void Contents::put(int attribute, const std::vector<int64_t>& numbers) {
  const char* bytes = reinterpret_cast<const char*>(numbers.data());
  values[attribute] = {
      CUDNN_TYPE_INT64, static_cast<int64_t>(numbers.size()), {bytes, bytes + numbers.size() * sizeof(int64_t)}, {}};
}

EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                  cudnnBackendDescriptor_t* descriptor) {
  ENTER("cudnnBackendCreateDescriptor");
  if (descriptor == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "cudnnBackendCreateDescriptor: nowhere to put the descriptor");
  }
  if (!isDescriptor(type)) {
    return fail(CUDNN_STATUS_NOT_SUPPORTED, "cudnnBackendCreateDescriptor: descriptors of type %d are not known", type);
  }
  auto contents = std::make_shared<Contents>();
  contents->type = type;
  *descriptor = descriptors.add(contents);
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  ENTER("cudnnBackendDestroyDescriptor");
  if (!descriptors.remove(descriptor)) {
    return fail(CUDNN_STATUS_BAD_PARAM, "cudnnBackendDestroyDescriptor: %p is no live descriptor", descriptor);
  }
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  const char* function = "cudnnBackendSetAttribute";
  ENTER(function);
  auto contents = descriptors.find(descriptor);
  if (contents == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p is no live descriptor", function, descriptor);
  }
  const Attribute* attribute = nullptr;
  cudnnStatus_t status = look(*contents, name, type, function, attribute);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  if (contents->finalized) {
    return fail(CUDNN_STATUS_NOT_INITIALIZED, "%s: %s is set after the descriptor was finalized", function,
                attribute->text);
  }
  if (attribute->need == DERIVED || count < 0 || count > attribute->most || (attribute->most == 1 && count != 1)) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %s cannot be set to %ld elements", function, attribute->text, count);
  }
  if (values == nullptr && count > 0) {
    return fail(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "%s: no values for %s", function, attribute->text);
  }
  const char* bytes = static_cast<const char*>(values);
  Value value{type, count, {bytes, bytes + count * elementSize(type)}, {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    status = hold(*attribute, value);
  } else if (type == CUDNN_TYPE_HANDLE && !stillLive(value)) {
    status = fail(CUDNN_STATUS_BAD_PARAM, "%s: %s is no live handle", function, attribute->text);
  }
  if (status == CUDNN_STATUS_SUCCESS) {
    contents->values[name] = std::move(value);
  }
  return status;
}

EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  const char* function = "cudnnBackendFinalize";
  ENTER(function);
  auto contents = descriptors.find(descriptor);
  if (contents == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p is no live descriptor", function, descriptor);
  }
  if (contents->finalized) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p was finalized before", function, descriptor);
  }
  for (const Attribute& attribute : ATTRIBUTES) {
    if (attribute.owner != contents->type) {
      continue;
    }
    auto value = contents->values.find(attribute.name);
    if (value == contents->values.end()) {
      if (attribute.need == REQUIRED) {
        return fail(CUDNN_STATUS_BAD_PARAM, "%s: %s was not set", function, attribute.text);
      }
    } else if (!stillLive(value->second)) {
      return fail(CUDNN_STATUS_BAD_PARAM, "%s: what %s was set to was destroyed since", function, attribute.text);
    }
  }
  cudnnStatus_t status = complete(*contents);
  contents->finalized = status == CUDNN_STATUS_SUCCESS;
  return status;
}

EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                              cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                              int64_t most, int64_t* count, void* values) {
  const char* function = "cudnnBackendGetAttribute";
  ENTER(function);
  auto contents = descriptors.find(descriptor);
  if (contents == nullptr) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %p is no live descriptor", function, descriptor);
  }
  if (!contents->finalized) {
    return fail(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "%s: %p is not finalized", function, descriptor);
  }
  const Attribute* attribute = nullptr;
  cudnnStatus_t status = look(*contents, name, type, function, attribute);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  if (most < 0 || (most > 0 && values == nullptr)) {
    return fail(CUDNN_STATUS_BAD_PARAM, "%s: %ld elements of %s at %p", function, most, attribute->text, values);
  }
  Value value = contents->has(name) ? contents->values[name] : Value{type, 0, {}, {}};
  if (value.type != type) {
    return fail(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "%s: %s was set with type %d", function, attribute->text,
                value.type);
  }
  if (count != nullptr) {
    *count = value.count;
  }
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    return handOut(*attribute, value, most, values);
  }
  if (values != nullptr) {
    std::copy_n(value.bytes.begin(), std::min(most, value.count) * elementSize(type), static_cast<char*>(values));
  }
  return CUDNN_STATUS_SUCCESS;
}
