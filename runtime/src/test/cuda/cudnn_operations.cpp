// Convolution, pointwise operations and attention of the software cuDNN.
#include "cudnn_operations.h"

#include "gemm.h"

#include <cmath>

namespace dnn {

// How many values of an unfolded image are packed at a time.
constexpr int64_t UNFOLDED = 1 << 23;

// Depth, height and width; those that a convolution lacks come first and are 1.
struct Extent {
  int64_t d = 1, h = 1, w = 1;

  static Extent of(const std::vector<int64_t>& values, size_t skipped, int64_t missing) {
    Extent extent{missing, missing, missing};
    int64_t* to[] = {&extent.w, &extent.h, &extent.d};
    for (size_t i = values.size(), at = 0; i > skipped; i--, at++) {
      *to[at] = values[i - 1];
    }
    return extent;
  }

  int64_t volume() const { return d * h * w; }
};

// One convolution, all but its values.
struct Convolution {
  int64_t images, channels, filters, groups;
  Extent input, filter, output, padded, before, strides, dilations;
  bool flipped;
  float alpha;

  explicit Convolution(const Contents& operation) {
    Operand convolution = operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
    Tensor x(*operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X));
    Tensor w(*operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W));
    Tensor y(*operation.operand(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y));
    images = x.dimensions[0];
    groups = x.dimensions[1] / w.dimensions[1];
    channels = w.dimensions[1];
    filters = w.dimensions[0] / groups;
    input = Extent::of(x.dimensions, 2, 1);
    filter = Extent::of(w.dimensions, 2, 1);
    output = Extent::of(y.dimensions, 2, 1);
    before = Extent::of(convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), 0, 0);
    Extent after = Extent::of(convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS), 0, 0);
    padded = {input.d + before.d + after.d, input.h + before.h + after.h, input.w + before.w + after.w};
    strides = Extent::of(convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), 0, 1);
    dilations = Extent::of(convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS), 0, 1);
    // Mathematics' convolution runs through the filter backwards; what is called so elsewhere is a correlation.
    flipped = convolution->one<int>(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION) == CUDNN_CONVOLUTION;
    alpha = static_cast<float>(operation.number(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1));
  }

  int64_t depth() const { return channels * filter.volume(); }

  // Where in a padded group of an image a value of the filter lies, from where the filter is put.
  std::vector<int64_t> taps() const {
    std::vector<int64_t> taps;
    for (int64_t channel = 0; channel < channels; channel++) {
      for (int64_t d = 0; d < filter.d; d++) {
        for (int64_t h = 0; h < filter.h; h++) {
          for (int64_t w = 0; w < filter.w; w++) {
            taps.push_back(channel * padded.volume() + (d * dilations.d * padded.h + h * dilations.h) * padded.w +
                           w * dilations.w);
          }
        }
      }
    }
    return taps;
  }

  // Where the filter is put for each value of the output.
  std::vector<int64_t> places() const {
    std::vector<int64_t> places;
    for (int64_t d = 0; d < output.d; d++) {
      for (int64_t h = 0; h < output.h; h++) {
        for (int64_t w = 0; w < output.w; w++) {
          places.push_back((d * strides.d * padded.h + h * strides.h) * padded.w + w * strides.w);
        }
      }
    }
    return places;
  }

  void pad(const float* from, Values& to) const {
    for (int64_t channel = 0; channel < channels; channel++) {
      for (int64_t d = 0; d < input.d; d++) {
        for (int64_t h = 0; h < input.h; h++, from += input.w) {
          int64_t row = ((channel * padded.d + d + before.d) * padded.h + h + before.h) * padded.w + before.w;
          std::copy(from, from + input.w, to.begin() + row);
        }
      }
    }
  }
};

Values convolve(const Contents& operation, const Values& x, const Values& w) {
  Convolution c(operation);
  int64_t depth = c.depth();
  int64_t positions = c.output.volume();
  int64_t chunk = std::max<int64_t>(1024, UNFOLDED / depth);
  auto taps = c.taps();
  auto places = c.places();
  Values y(c.images * c.groups * c.filters * positions);
  Values padded(c.channels * c.padded.volume());
  Values sums(std::min(chunk, positions) * c.filters);
  for (int64_t group = 0; group < c.groups; group++) {
    auto filters =
        soft::strips(c.filters, depth, soft::TILE_COLUMNS, [&](int64_t filter, int64_t count, int64_t at, float* to) {
          int64_t last = c.filter.volume() - 1;
          int64_t from = c.flipped ? at - at % (last + 1) + last - at % (last + 1) : at;
          for (int64_t i = 0; i < count; i++) {
            to[i] = w[(group * c.filters + filter + i) * depth + from];
          }
        });
    for (int64_t image = 0; image < c.images; image++) {
      c.pad(x.data() + (image * c.groups + group) * c.channels * c.input.volume(), padded);
      for (int64_t first = 0; first < positions; first += chunk) {
        int64_t rows = std::min(chunk, positions - first);
        auto unfolded =
            soft::strips(rows, depth, soft::TILE_ROWS, [&](int64_t row, int64_t count, int64_t at, float* to) {
              const float* from = padded.data() + taps[at];
              const int64_t* place = places.data() + first + row;
              for (int64_t i = 0; i < count; i++) {
                to[i] = from[place[i]];
              }
            });
        soft::multiply(rows, c.filters, depth, unfolded, filters, sums.data());
        for (int64_t filter = 0; filter < c.filters; filter++) {
          float* to = y.data() + ((image * c.groups + group) * c.filters + filter) * positions + first;
          for (int64_t row = 0; row < rows; row++) {
            to[row] = c.alpha * sums[filter * rows + row];
          }
        }
      }
    }
  }
  return y;
}

// One of pointwise' operations with its parameters.
struct Function {
  int mode;
  float beta, lower, upper, slope;

  explicit Function(const Contents& contents)
      : mode(contents.one<int>(CUDNN_ATTR_POINTWISE_MODE, CUDNN_POINTWISE_IDENTITY)),
        beta(static_cast<float>(contents.number(CUDNN_ATTR_POINTWISE_SWISH_BETA, 1))),
        lower(static_cast<float>(contents.number(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, 0))),
        upper(static_cast<float>(contents.number(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, INFINITY))),
        slope(static_cast<float>(contents.number(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, 0))) {}

  float operator()(float x, float b) const {
    switch (mode) {
      case CUDNN_POINTWISE_ADD:
        return x + b;
      case CUDNN_POINTWISE_MUL:
        return x * b;
      case CUDNN_POINTWISE_RELU_FWD:
        return x < lower ? lower + slope * (x - lower) : x > upper ? upper : x;
      case CUDNN_POINTWISE_TANH_FWD:
        return std::tanh(x);
      case CUDNN_POINTWISE_SIGMOID_FWD:
        return 1 / (1 + std::exp(-x));
      case CUDNN_POINTWISE_SWISH_FWD:
        return x / (1 + std::exp(-beta * x));
      case CUDNN_POINTWISE_GELU_FWD:
        return 0.5f * x * (1 + std::erf(x * 0.70710678f));
      case CUDNN_POINTWISE_GELU_APPROX_TANH_FWD:
        return 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
      default:
        return x;
    }
  }
};

// The strides of dense values, 0 along those dimensions of which they have one element for all.
static std::vector<int64_t> broadcast(const std::vector<int64_t>& dimensions) {
  std::vector<int64_t> strides(dimensions.size());
  int64_t stride = 1;
  for (size_t i = dimensions.size(); i > 0; i--) {
    strides[i - 1] = dimensions[i - 1] == 1 ? 0 : stride;
    stride *= dimensions[i - 1];
  }
  return strides;
}

Values pointwise(const Contents& operation, const Values& x, const Values& b) {
  Function function(*operation.operand(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR));
  auto alpha1 = static_cast<float>(operation.number(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, 1));
  auto alpha2 = static_cast<float>(operation.number(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, 1));
  Tensor result(*operation.operand(CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
  Values y(result.count());
  Tensor first(*operation.operand(CUDNN_ATTR_OPERATION_POINTWISE_XDESC));
  forEach(result.dimensions, broadcast(first.dimensions),
          [&](int64_t element, int64_t offset) { y[element] = alpha1 * x[offset]; });
  if (Operand operand = operation.operand(CUDNN_ATTR_OPERATION_POINTWISE_BDESC)) {
    forEach(result.dimensions, broadcast(Tensor(*operand).dimensions),
            [&](int64_t element, int64_t offset) { y[element] = function(y[element], alpha2 * b[offset]); });
  } else {
    for (float& value : y) {
      value = function(value, 0);
    }
  }
  return y;
}

// Softmax along columns of what is [column][row].
static void softmax(Values& scores, int64_t rows, int64_t columns, float scale) {
  for (int64_t row = 0; row < rows; row++) {
    float largest = -INFINITY;
    for (int64_t column = 0; column < columns; column++) {
      largest = std::max(largest, scores[column * rows + row] * scale);
    }
    float sum = 0;
    for (int64_t column = 0; column < columns; column++) {
      float& score = scores[column * rows + row];
      score = std::exp(score * scale - largest);
      sum += score;
    }
    for (int64_t column = 0; column < columns; column++) {
      scores[column * rows + row] /= sum;
    }
  }
}

Values attend(const Contents& operation, const Values& q, const Values& k, const Values& v, float scale) {
  auto qd = Tensor(*operation.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC)).dimensions;
  auto kd = Tensor(*operation.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC)).dimensions;
  auto vd = Tensor(*operation.operand(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC)).dimensions;
  int64_t queries = qd[2], keys = kd[2], depth = qd[3], width = vd[3];
  Values o(qd[0] * qd[1] * queries * width);
  Values scores(queries * keys);
  Values sums(queries * width);
  for (int64_t batch = 0; batch < qd[0]; batch++) {
    for (int64_t head = 0; head < qd[1]; head++) {
      const float* qs = q.data() + (batch * qd[1] + head) * queries * depth;
      const float* ks = k.data() + (batch * kd[1] + head / (qd[1] / kd[1])) * keys * depth;
      const float* vs = v.data() + (batch * vd[1] + head / (qd[1] / vd[1])) * keys * width;
      auto rowsOf = [depth](const float* from) {
        return [from, depth](int64_t row, int64_t count, int64_t at, float* to) {
          for (int64_t i = 0; i < count; i++) {
            to[i] = from[(row + i) * depth + at];
          }
        };
      };
      soft::multiply(queries, keys, depth, soft::strips(queries, depth, soft::TILE_ROWS, rowsOf(qs)),
                     soft::strips(keys, depth, soft::TILE_COLUMNS, rowsOf(ks)), scores.data());
      softmax(scores, queries, keys, scale);
      auto weights =
          soft::strips(queries, keys, soft::TILE_ROWS, [&](int64_t row, int64_t count, int64_t at, float* to) {
            std::copy(scores.begin() + at * queries + row, scores.begin() + at * queries + row + count, to);
          });
      auto values =
          soft::strips(width, keys, soft::TILE_COLUMNS, [&](int64_t column, int64_t count, int64_t at, float* to) {
            std::copy(vs + at * width + column, vs + at * width + column + count, to);
          });
      soft::multiply(queries, width, keys, weights, values, sums.data());
      float* to = o.data() + (batch * qd[1] + head) * queries * width;
      for (int64_t query = 0; query < queries; query++) {
        for (int64_t i = 0; i < width; i++) {
          to[query * width + i] = sums[i * queries + query];
        }
      }
    }
  }
  return o;
}

}  // namespace dnn
