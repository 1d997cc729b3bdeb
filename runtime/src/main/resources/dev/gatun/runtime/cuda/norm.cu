// Layer and group normalisation, and the gradient of the latter.
//
// Means are found in two steps, an estimate and the mean distance from it, and stay two numbers: rounded to one, the
// mean of values around 3000 would be wrong by a thousandth of a deviation of 1/3. Sums are added in a fixed order that
// depends on the extents of one sample alone, so that the bits of a sample do not depend on its batch.
#include "common.cuh"

// Subtracted in two steps.
struct Mean {
  float estimate;
  float rest;

  __device__ __forceinline__ float distance(float x) const { return (x - estimate) - rest; }
};

// ------------------------------------------------------------------------------------------------- layer normalisation

// The sum over all threads of a block, of which there are a multiple of 32, at most 1024; every thread gets it.
__device__ __forceinline__ float sumOfBlock(float value, float* warps) {
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  int count = blockDim.x / 32;
  if (count == 1) {
    return value;
  }
  __syncthreads();  // the last sum has been read
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = value;
  }
  __syncthreads();
  value = warps[0];
  for (int w = 1; w < count; w++) {
    value += warps[w];
  }
  return value;
}

// y = (x - μ)/√(σ² + eps)·gamma + beta, out = y·(1 + scale) + shift, for each row; gamma and beta, and shift and scale,
// may be null. Each block has one row at a time. x may be out.
extern "C" __global__ void __launch_bounds__(256) layerNorm(
    const float* x, long long xs, const float* gamma, const float* beta, const float* offset, long long offsetStride,
    const float* scale, long long scaleStride, long long rowsPerSample, float eps, float* out, long long os,
    long long rows, int cols) {
  __shared__ float warps[32];
  for (long long r = blockIdx.x; r < rows; r += gridDim.x) {
    const float* row = x + r * xs;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < cols; c += blockDim.x) {
      sum += row[c];
    }
    Mean mean = {sumOfBlock(sum, warps) / cols, 0.0f};
    float rest = 0.0f;
    float squares = 0.0f;
    for (int c = threadIdx.x; c < cols; c += blockDim.x) {
      float d = row[c] - mean.estimate;
      rest += d;
      squares = fmaf(d, d, squares);
    }
    mean.rest = sumOfBlock(rest, warps) / cols;
    // What is subtracted is the square of a rounding error: nothing cancels.
    float variance = fmaxf(sumOfBlock(squares, warps) / cols - mean.rest * mean.rest, 0.0f);
    float factor = 1.0f / sqrtf(variance + eps);
    long long sample = scale == nullptr ? 0 : quotient(r, rowsPerSample);
    for (int c = threadIdx.x; c < cols; c += blockDim.x) {
      float y = mean.distance(row[c]) * factor;
      if (gamma != nullptr) {
        y = y * gamma[c] + beta[c];
      }
      if (scale != nullptr) {
        y = y * (1.0f + scale[sample * scaleStride + c]) + offset[sample * offsetStride + c];
      }
      out[r * os + c] = y;
    }
  }
}

// ------------------------------------------------------------------------------------------------- group normalisation
//
// 1. channelMoments: mean and sum of squared distances of each channel of each chunk of positions;
// 2. groupMoments: those of the groups, put together in double precision;
// 3. groupNorm: the values.
//
// The gradient goes on with channelSlopes, groupSlopes and groupNormGradient.

constexpr int THREADS = 256;

// Which part of x [N, positions, C] a block looks at: 1 << shift channels of a chunk of a sample's positions. Its
// threads stand in lanes, each on every so many positions of the chunk.
struct Chunk {
  long long sample;
  long long first;  // row of x
  int count;        // of positions
  int lanes;
  int lane;
  int channel;

  __device__ Chunk(long long positions, int chunk, int chunks, int shift) {
    sample = blockIdx.x / chunks;
    long long begin = (long long)(blockIdx.x % chunks) * chunk;
    first = sample * positions + begin;
    count = (int)(positions - begin < chunk ? positions - begin : chunk);
    lanes = THREADS >> shift;
    lane = threadIdx.x >> shift;
    channel = (blockIdx.y << shift) + (threadIdx.x & ((1 << shift) - 1));
  }
};

// The sums over lanes, one for each channel; every thread gets that of its channel.
__device__ __forceinline__ float sumOfLanes(float value, float* partial, int shift) {
  int width = 1 << shift;
  __syncthreads();  // the last sums have been read
  partial[threadIdx.x] = value;
  for (int half = THREADS / 2; half >= width; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      partial[threadIdx.x] += partial[threadIdx.x + half];
    }
  }
  __syncthreads();
  return partial[threadIdx.x & (width - 1)];
}

// moments [N·chunks, 2, C]: mean, and sum of squared distances from it.
extern "C" __global__ void __launch_bounds__(THREADS) channelMoments(
    const float* x, long long xs, long long positions, int chunk, int chunks, double* moments, int cols, int shift) {
  __shared__ float partial[THREADS];
  Chunk at(positions, chunk, chunks, shift);
  bool inside = at.channel < cols;
  float sum = 0.0f;
  if (inside) {
    for (int p = at.lane; p < at.count; p += at.lanes) {
      sum += x[(at.first + p) * xs + at.channel];
    }
  }
  float estimate = sumOfLanes(sum, partial, shift) / at.count;
  float rest = 0.0f;
  float squares = 0.0f;
  if (inside) {
    for (int p = at.lane; p < at.count; p += at.lanes) {
      float d = x[(at.first + p) * xs + at.channel] - estimate;
      rest += d;
      squares = fmaf(d, d, squares);
    }
  }
  double all = sumOfLanes(rest, partial, shift);
  double square = sumOfLanes(squares, partial, shift);
  if (inside && at.lane == 0) {
    double* to = moments + 2LL * blockIdx.x * cols + at.channel;
    to[0] = estimate + all / at.count;
    to[cols] = square - all * all / at.count;
  }
}

// The sum over the 128 threads of a block.
__device__ __forceinline__ double sumOfGroup(double value, double* partial) {
  __syncthreads();  // the last sum has been read
  partial[threadIdx.x] = value;
  for (int half = TILE_THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      partial[threadIdx.x] += partial[threadIdx.x + half];
    }
  }
  __syncthreads();
  return partial[0];
}

// groups [N·G, 3]: both parts of the mean, and 1/√(σ² + eps). One block for each group.
extern "C" __global__ void __launch_bounds__(TILE_THREADS) groupMoments(
    const double* moments, long long positions, int chunk, int chunks, int cols, int groups, float eps, float* result) {
  __shared__ double partial[TILE_THREADS];
  int size = cols / groups;
  long long sample = blockIdx.x / groups;
  const double* of = moments + 2LL * sample * chunks * cols + blockIdx.x % groups * size;
  int parts = chunks * size;
  // Of positions in the last chunk.
  double rest = (double)(positions - (chunks - 1LL) * chunk);
  double total = (double)positions * size;
  double sum = 0;
  for (int i = threadIdx.x; i < parts; i += TILE_THREADS) {
    int part = i / size;
    sum += (part < chunks - 1 ? (double)chunk : rest) * of[2LL * part * cols + i % size];
  }
  double mean = sumOfGroup(sum, partial) / total;
  double squares = 0;
  for (int i = threadIdx.x; i < parts; i += TILE_THREADS) {
    int part = i / size;
    const double* at = of + 2LL * part * cols + i % size;
    double d = at[0] - mean;
    squares += at[cols] + (part < chunks - 1 ? (double)chunk : rest) * d * d;
  }
  double variance = sumOfGroup(squares, partial) / total;
  if (threadIdx.x == 0) {
    float* to = result + 3LL * blockIdx.x;
    to[0] = (float)mean;
    to[1] = (float)(mean - (double)to[0]);
    to[2] = (float)(1 / sqrt((variance > 0 ? variance : 0 * variance) + eps));
  }
}

// What the values of a channel of a sample are multiplied by and shifted by.
struct Affine {
  Mean mean;
  float factor;  // 1/√(σ² + eps)
  float gamma;
  float beta;
  float scale;  // 1 + scale
  float offset;

  __device__ Affine(
      const float* moments, int groups, int size, const float* gammas, const float* betas, const float* offsets,
      long long offsetStride, const float* scales, long long scaleStride, long long n, long long c) {
    const float* of = moments + 3 * (n * groups + (int)c / size);
    mean = {of[0], of[1]};
    factor = of[2];
    gamma = gammas[c];
    beta = betas[c];
    scale = scales == nullptr ? 1.0f : 1.0f + scales[n * scaleStride + c];
    offset = scales == nullptr ? 0.0f : offsets[n * offsetStride + c];
  }

  // x̂
  __device__ float normal(float x) const { return mean.distance(x) * factor; }

  // What the activation is applied to.
  __device__ float value(float normal) const { return (normal * gamma + beta) * scale + offset; }

  // The gradient of x̂.
  __device__ float slope(float normal, float dy, int activation) const {
    return dy * activationSlope(activation, value(normal)) * scale * gamma;
  }
};

// out = activation(((x - μ)/√(σ² + eps)·gamma + beta)·(1 + scale) + shift); x may be out.
extern "C" __global__ void groupNorm(
    const float* x, long long xs, long long positions, int groups, const float* moments, const float* gamma,
    const float* beta, const float* offset, long long offsetStride, const float* scale, long long scaleStride,
    int activation, float* out, long long os, long long rows, int cols, int shift) {
  int size = cols / groups;
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    Affine affine(
        moments, groups, size, gamma, beta, offset, offsetStride, scale, scaleStride, quotient(r, positions), c);
    out[r * os + c] = activated(activation, affine.value(affine.normal(x[r * xs + c])));
  }
}

// slopes [N·chunks, 2, C]: with g the gradient of x̂, Σ g and Σ g·x̂ of each channel of each chunk of positions.
extern "C" __global__ void __launch_bounds__(THREADS) channelSlopes(
    const float* x, long long xs, long long positions, int groups, const float* moments, const float* gamma,
    const float* beta, const float* offset, long long offsetStride, const float* scale, long long scaleStride,
    int activation, const float* dy, long long dys, int chunk, int chunks, double* slopes, int cols, int shift) {
  __shared__ float partial[THREADS];
  Chunk at(positions, chunk, chunks, shift);
  bool inside = at.channel < cols;
  float sum = 0.0f;
  float product = 0.0f;
  if (inside) {
    Affine affine(
        moments, groups, cols / groups, gamma, beta, offset, offsetStride, scale, scaleStride, at.sample, at.channel);
    for (int p = at.lane; p < at.count; p += at.lanes) {
      long long r = at.first + p;
      float normal = affine.normal(x[r * xs + at.channel]);
      float g = affine.slope(normal, dy[r * dys + at.channel], activation);
      sum += g;
      product = fmaf(g, normal, product);
    }
  }
  sum = sumOfLanes(sum, partial, shift);
  product = sumOfLanes(product, partial, shift);
  if (inside && at.lane == 0) {
    double* to = slopes + 2LL * blockIdx.x * cols + at.channel;
    to[0] = sum;
    to[cols] = product;
  }
}

// means [N·G, 2] of g and g·x̂. One block for each group.
extern "C" __global__ void __launch_bounds__(TILE_THREADS) groupSlopes(
    const double* slopes, long long positions, int chunks, int cols, int groups, float* means) {
  __shared__ double partial[TILE_THREADS];
  int size = cols / groups;
  long long sample = blockIdx.x / groups;
  const double* of = slopes + 2LL * sample * chunks * cols + blockIdx.x % groups * size;
  int parts = chunks * size;
  double sum = 0;
  double product = 0;
  for (int i = threadIdx.x; i < parts; i += TILE_THREADS) {
    const double* at = of + 2LL * (i / size) * cols + i % size;
    sum += at[0];
    product += at[cols];
  }
  sum = sumOfGroup(sum, partial);
  product = sumOfGroup(product, partial);
  if (threadIdx.x == 0) {
    double total = (double)positions * size;
    means[2LL * blockIdx.x] = (float)(sum / total);
    means[2LL * blockIdx.x + 1] = (float)(product / total);
  }
}

// dx = (g - mean(g) - x̂·mean(g·x̂))/√(σ² + eps); dx may be dy.
extern "C" __global__ void groupNormGradient(
    const float* x, long long xs, long long positions, int groups, const float* moments, const float* means,
    const float* gamma, const float* beta, const float* offset, long long offsetStride, const float* scale,
    long long scaleStride, int activation, const float* dy, long long dys, float* dx, long long dxs, long long rows,
    int cols, int shift) {
  int size = cols / groups;
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    long long n = quotient(r, positions);
    Affine affine(moments, groups, size, gamma, beta, offset, offsetStride, scale, scaleStride, n, c);
    const float* mean = means + 2 * (n * groups + (int)c / size);
    float normal = affine.normal(x[r * xs + c]);
    float g = affine.slope(normal, dy[r * dys + c], activation);
    dx[r * dxs + c] = (g - mean[0] - normal * mean[1]) * affine.factor;
  }
}
