// What the operations of a graph compute, on values that lie densely in the order of the dimensions.
#pragma once

#include "cudnn_descriptors.h"

namespace dnn {

using Values = std::vector<float>;

Values convolve(const Contents& operation, const Values& x, const Values& w);

// b is empty where the operation has one operand.
Values pointwise(const Contents& operation, const Values& x, const Values& b);

Values attend(const Contents& operation, const Values& q, const Values& k, const Values& v, float scale);

// Goes through all elements of some dimensions, in order, and says how far along strides each lies.
template <class Visit>
void forEach(const std::vector<int64_t>& dimensions, const std::vector<int64_t>& strides, Visit visit) {
  size_t rank = dimensions.size();
  std::vector<int64_t> index(rank);
  int64_t offset = 0;
  for (int64_t element = 0;; element++) {
    visit(element, offset);
    size_t i = rank;
    for (; i > 0; i--) {
      offset += strides[i - 1];
      if (++index[i - 1] < dimensions[i - 1]) {
        break;
      }
      offset -= strides[i - 1] * dimensions[i - 1];
      index[i - 1] = 0;
    }
    if (i == 0) {
      return;
    }
  }
}

}  // namespace dnn
