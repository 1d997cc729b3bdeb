// Convolutions of maps [N, H, W, C] as products of matrices that are gathered on the way into shared memory: a row for
// each position of the result, and for the inner extent all taps of the kernel by all channels ("implicit GEMM",
// Chetlur et al., "cuDNN", 2014). The kernel is [out, kernelHeight, kernelWidth, in], dense.
//
// While a chunk of the inner extent is multiplied, the next one is on its way into registers.
#include "common.cuh"

constexpr int ROWS = 8;
constexpr int POSITIONS = DOWN * ROWS;
constexpr int POSITION_PITCH = pitchOf(POSITIONS);

// Elements of a chunk that a thread brings.
constexpr int GATHERED = POSITIONS * DEPTH / TILE_THREADS;

struct Extents {
  int height;
  int width;
  int channels;
};

struct Taps {
  int height;
  int width;
  int stride;
  int top;
  int left;
};

// What a row of the product is gathered from: its sample, and the position of its first tap in the operand (of the
// gradient: its own position behind the padding).
struct Origin {
  int sample;  // -1 behind the last row
  int y;
  int x;
};

// The position along an axis of the operand that a tap reads, or -1 for none.
template <bool GRADIENT>
__device__ __forceinline__ int tapAt(int origin, int tap, int stride, int extent) {
  if (!GRADIENT) {
    int at = origin + tap;
    return at < extent ? at : -1;
  }
  // dx[y] gets from every dy[i] with i·stride + tap = y + padding.
  int at = origin - tap;
  if (stride > 1) {
    if (at < 0 || at % stride != 0) {
      return -1;
    }
    at /= stride;
  }
  return at < extent ? at : -1;
}

// One chunk's elements of both operands on their way from memory.
template <bool GRADIENT, int COLUMNS>
struct Gathered {
  static constexpr int WIDTH = ACROSS * COLUMNS;
  static constexpr int KERNELS = WIDTH * DEPTH / TILE_THREADS;

  float positions[GATHERED];
  float kernels[KERNELS];

  // k0: of the inner extent, (tap, channel) with the channel of the operand fastest.
  __device__ __forceinline__ void load(
      const float* x, long long xs, Extents operand, const float* kernel, Taps taps, const Origin* origins, int k0,
      int inner, int firstColumn, int columns) {
    int d = threadIdx.x % DEPTH;
    int k = k0 + d;
    int tap = k / operand.channels;
    int channel = k - tap * operand.channels;
    int tapY = tap / taps.width;
    int tapX = tap - tapY * taps.width;
#pragma unroll
    for (int e = 0; e < GATHERED; e++) {
      Origin from = origins[threadIdx.x / DEPTH + e * (TILE_THREADS / DEPTH)];
      int y = tapAt<GRADIENT>(from.y, tapY, taps.stride, operand.height);
      int z = tapAt<GRADIENT>(from.x, tapX, taps.stride, operand.width);
      bool inside = k < inner && from.sample >= 0 && y >= 0 && z >= 0;
      long long row = ((long long)from.sample * operand.height + y) * operand.width + z;
      positions[e] = inside ? x[row * xs + channel] : 0.0f;
    }
    if (!GRADIENT) {
      // Rows of the kernel are as long as the inner extent.
#pragma unroll
      for (int e = 0; e < KERNELS; e++) {
        int column = firstColumn + threadIdx.x / DEPTH + e * (TILE_THREADS / DEPTH);
        kernels[e] = k < inner && column < columns ? kernel[(long long)column * inner + k] : 0.0f;
      }
    } else {
      // The channels of the result lie side by side: neighbours read neighbours.
      int column = firstColumn + threadIdx.x % WIDTH;
      int count = taps.height * taps.width;
      int firstTap = k0 / operand.channels;
#pragma unroll
      for (int e = 0; e < KERNELS; e++) {
        int at = k0 - firstTap * operand.channels + threadIdx.x / WIDTH + e * (TILE_THREADS / WIDTH);
        int of = firstTap;
        while (at >= operand.channels) {
          at -= operand.channels;
          of++;
        }
        bool inside = of < count && column < columns;
        kernels[e] = inside ? kernel[((long long)at * count + of) * columns + column] : 0.0f;
      }
    }
  }

  __device__ __forceinline__ void store(float* left, float* right) const {
    int d = threadIdx.x % DEPTH;
#pragma unroll
    for (int e = 0; e < GATHERED; e++) {
      left[d * POSITION_PITCH + threadIdx.x / DEPTH + e * (TILE_THREADS / DEPTH)] = positions[e];
    }
#pragma unroll
    for (int e = 0; e < KERNELS; e++) {
      int depth = GRADIENT ? threadIdx.x / WIDTH + e * (TILE_THREADS / WIDTH) : d;
      int column = GRADIENT ? threadIdx.x % WIDTH : threadIdx.x / DEPTH + e * (TILE_THREADS / DEPTH);
      right[depth * pitchOf(WIDTH) + column] = kernels[e];
    }
  }
};

// out [N, result.height, result.width, result.channels] from the operand x: tiles of 64 positions by 16·COLUMNS
// channels. Grid of positions, channels.
template <bool GRADIENT, int COLUMNS>
__device__ __forceinline__ void convolve(
    const float* x, long long xs, Extents operand, const float* kernel, Taps taps, long long rows, Extents result,
    int activation, const float* bias, const float* residual, long long rs, float* out, long long os) {
  constexpr int WIDTH = ACROSS * COLUMNS;
  __shared__ __align__(16) float left[DEPTH * POSITION_PITCH];
  __shared__ float right[DEPTH * pitchOf(WIDTH)];
  __shared__ Origin origins[POSITIONS];
  long long firstRow = (long long)blockIdx.x * POSITIONS;
  int firstColumn = blockIdx.y * WIDTH;
  int inner = taps.height * taps.width * operand.channels;

  if (threadIdx.x < POSITIONS) {
    long long row = firstRow + threadIdx.x;
    Origin origin = {-1, 0, 0};
    if (row < rows) {
      long long line = quotient(row, result.width);
      int column = (int)(row - line * result.width);
      origin.sample = (int)quotient(line, result.height);
      int y = (int)(line - (long long)origin.sample * result.height);
      origin.y = GRADIENT ? y + taps.top : y * taps.stride - taps.top;
      origin.x = GRADIENT ? column + taps.left : column * taps.stride - taps.left;
    }
    origins[threadIdx.x] = origin;
  }
  __syncthreads();

  float sum[ROWS][COLUMNS];
  clear(sum);
  Gathered<GRADIENT, COLUMNS> next;
  if (inner > 0) {
    next.load(x, xs, operand, kernel, taps, origins, 0, inner, firstColumn, result.channels);
  }
  for (int k = 0; k < inner; k += DEPTH) {
    __syncthreads();  // the last chunk has been multiplied
    next.store(left, right);
    __syncthreads();
    if (k + DEPTH < inner) {
      next.load(x, xs, operand, kernel, taps, origins, k + DEPTH, inner, firstColumn, result.channels);
    }
    multiplyTiles<ROWS, COLUMNS>(left, POSITION_PITCH, right, pitchOf(WIDTH), sum);
  }

#pragma unroll
  for (int i = 0; i < ROWS; i++) {
    long long row = firstRow + threadIdx.x / ACROSS * ROWS + i;
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      int column = firstColumn + threadIdx.x % ACROSS + j * ACROSS;
      if (row < rows && column < result.channels) {
        float y = bias == nullptr ? sum[i][j] : sum[i][j] + bias[column];
        y = activated(activation, y);
        out[row * os + column] = residual == nullptr ? y : y + residual[row * rs + column];
      }
    }
  }
}

// out = residual + activation(x ∗ kernel + bias); bias and residual may be null, residual may be out. Named by the
// channels of a tile.
#define CONVOLUTION_PARAMETERS                                                                                         \
  const float *x, long long xs, int height, int width, int in, const float *kernel, int kernelHeight, int kernelWidth, \
      int stride, int top, int left, int activation, const float *bias, const float *residual, long long rs,           \
      float *out, long long os, long long rows, int outHeight, int outWidth, int outChannels

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) convolution64(CONVOLUTION_PARAMETERS) {
  convolve<false, 4>(
      x, xs, {height, width, in}, kernel, {kernelHeight, kernelWidth, stride, top, left}, rows,
      {outHeight, outWidth, outChannels}, activation, bias, residual, rs, out, os);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) convolution16(CONVOLUTION_PARAMETERS) {
  convolve<false, 1>(
      x, xs, {height, width, in}, kernel, {kernelHeight, kernelWidth, stride, top, left}, rows,
      {outHeight, outWidth, outChannels}, activation, bias, residual, rs, out, os);
}

// dx[n, y, x, c] = Σ dy[n, i, j, o]·kernel[o, y + top - i·stride, x + left - j·stride, c]
#define GRADIENT_PARAMETERS                                                                                \
  const float *dy, long long dys, int outHeight, int outWidth, int outChannels, const float *kernel,       \
      int kernelHeight, int kernelWidth, int stride, int top, int left, float *dx, long long dxs,          \
      long long rows, int height, int width, int in

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) convolutionGradient64(GRADIENT_PARAMETERS) {
  convolve<true, 4>(
      dy, dys, {outHeight, outWidth, outChannels}, kernel, {kernelHeight, kernelWidth, stride, top, left}, rows,
      {height, width, in}, 0, nullptr, nullptr, 0, dx, dxs);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) convolutionGradient16(GRADIENT_PARAMETERS) {
  convolve<true, 1>(
      dy, dys, {outHeight, outWidth, outChannels}, kernel, {kernelHeight, kernelWidth, stride, top, left}, rows,
      {height, width, in}, 0, nullptr, nullptr, 0, dx, dxs);
}
