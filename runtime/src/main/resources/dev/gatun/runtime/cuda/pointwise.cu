// Operators that compute each element of a matrix [rows, cols] by itself. The result may be an operand: an element is
// read before it is written, by the same thread.
#include "common.cuh"

extern "C" __global__ void activate(
    int which, const float* x, long long xs, float* out, long long os, long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    out[r * os + c] = activated(which, x[r * xs + c]);
  }
}

// dx = dy ⊙ activation'(x)
extern "C" __global__ void activateGradient(
    int which, const float* x, long long xs, const float* dy, long long dys, float* dx, long long dxs,
    long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    dx[r * dxs + c] = dy[r * dys + c] * activationSlope(which, x[r * xs + c]);
  }
}

// out = x + y, y [period, cols] again and again.
extern "C" __global__ void add(
    const float* x, long long xs, const float* y, long long ys, long long period, float* out, long long os,
    long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    out[r * os + c] = x[r * xs + c] + y[modulo(r, period) * ys + c];
  }
}

// out = x + y, each row of y for so many consecutive rows of x.
extern "C" __global__ void addPerSample(
    const float* x, long long xs, const float* y, long long ys, long long positions, float* out, long long os,
    long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    out[r * os + c] = x[r * xs + c] + y[quotient(r, positions) * ys + c];
  }
}

// out = x ⊙ y + z
extern "C" __global__ void multiplyAdd(
    const float* x, long long xs, const float* y, long long ys, const float* z, long long zs, float* out, long long os,
    long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    out[r * os + c] = fmaf(x[r * xs + c], y[r * ys + c], z[r * zs + c]);
  }
}

// out = a·x + b·y, or a·x where y is null. Each product is rounded by itself: not contracted.
extern "C" __global__ void combine(
    float a, const float* x, long long xs, float b, const float* y, long long ys, float* out, long long os,
    long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    float ax = __fmul_rn(a, x[r * xs + c]);
    out[r * os + c] = y == nullptr ? ax : __fadd_rn(ax, __fmul_rn(b, y[r * ys + c]));
  }
}

// out = min(max(x, low), high); NaN is neither less nor more.
extern "C" __global__ void clamp(
    const float* x, long long xs, float low, float high, float* out, long long os, long long rows, int cols,
    int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    float value = x[r * xs + c];
    out[r * os + c] = value < low ? low : value > high ? high : value;
  }
}

// out = exp(a·x + b), in double precision: an argument that is off by an ulp of 80 would be off by 4e-6 here.
extern "C" __global__ void exponential(
    double a, const float* x, long long xs, double b, float* out, long long os, long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    out[r * os + c] = (float)exp(a * x[r * xs + c] + b);
  }
}

extern "C" __global__ void fill(float value, float* out, long long os, long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    out[r * os + c] = value;
  }
}

// What follows a product: out = residual + gate ⊙ activation(product + bias). A row of gate holds for gatePeriod
// consecutive rows, residual [residualRows, cols] is added again and again; each may be null.
extern "C" __global__ void finish(
    const float* product, long long ps, int which, const float* bias, const float* gate, long long gs,
    long long gatePeriod, const float* residual, long long rs, long long residualRows, float* out, long long os,
    long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    float y = product[r * ps + c];
    if (bias != nullptr) {
      y += bias[c];
    }
    y = activated(which, y);
    if (gate != nullptr) {
      y *= gate[quotient(r, gatePeriod) * gs + c];
    }
    if (residual != nullptr) {
      y += residual[modulo(r, residualRows) * rs + c];
    }
    out[r * os + c] = y;
  }
}
