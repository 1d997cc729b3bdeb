// What the kernels share: indices, activations, 16-bit floats, and products of tiles in shared memory.
//
// Nothing is included: the compiler at run time has no headers. Functions are the precise ones; no fast maths.
#pragma once

// ------------------------------------------------------------------------------------------------------------- numbers

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

__device__ __forceinline__ float notANumber() { return __int_as_float(0x7fc00000); }

// a / b for numbers that are not negative; a division of 64 bits costs some hundred instructions.
__device__ __forceinline__ long long quotient(long long a, long long b) {
  return (a | b) >> 32 == 0 ? (long long)((unsigned)a / (unsigned)b) : a / b;
}

__device__ __forceinline__ long long modulo(long long a, long long b) { return a - quotient(a, b) * b; }

// --------------------------------------------------------------------------------------------------------- activations

// The ordinals of dev.gatun.runtime.Activation.
constexpr int SILU = 1;
constexpr int GELU_TANH = 2;
constexpr int GELU_ERF = 3;
constexpr int QUICK_GELU = 4;
constexpr int RELU = 5;

// 2√(2/π): ½(1 + tanh(√(2/π)·z)) = σ(2√(2/π)·z), which does not cancel where z is far below zero.
constexpr float GELU_FACTOR = 1.5957691216057308f;
constexpr float GELU_CUBE = 0.044715f;
constexpr float QUICK_FACTOR = 1.702f;

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ __forceinline__ float activated(int which, float x) {
  switch (which) {
    case SILU:
      return x / (1.0f + expf(-x));
    case GELU_TANH:
      return x / (1.0f + expf(-GELU_FACTOR * (x + GELU_CUBE * x * x * x)));
    case GELU_ERF:
      return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case QUICK_GELU:
      return x / (1.0f + expf(-QUICK_FACTOR * x));
    case RELU:
      return x <= 0.0f ? 0.0f : x;  // NaN stays NaN
    default:
      return x;
  }
}

// The derivative of x·σ(z(x)): σ + x·z'·σ(z)·σ(-z). The last product vanishes where a factor before it may be infinite.
__device__ __forceinline__ float slopeOfSigmoidUnit(float x, float z, float zSlope) {
  float s = sigmoid(z);
  float spread = s * sigmoid(-z);
  return spread == 0.0f ? s : s + x * zSlope * spread;
}

// The derivative of activated; 0 for that of ReLU at 0.
__device__ __forceinline__ float activationSlope(int which, float x) {
  switch (which) {
    case SILU:
      return slopeOfSigmoidUnit(x, x, 1.0f);
    case GELU_TANH:
      return slopeOfSigmoidUnit(
          x, GELU_FACTOR * (x + GELU_CUBE * x * x * x), GELU_FACTOR * (1.0f + 3.0f * GELU_CUBE * x * x));
    case GELU_ERF:
      return 0.5f * (1.0f + erff(x * 0.70710678118654752f)) + x * (0.39894228040143268f * expf(-0.5f * x * x));
    case QUICK_GELU:
      return slopeOfSigmoidUnit(x, QUICK_FACTOR * x, QUICK_FACTOR);
    case RELU:
      return x > 0.0f ? 1.0f : 0.0f;
    default:
      return 1.0f;
  }
}

// ------------------------------------------------------------------------------------------------------- 16-bit floats

__device__ __forceinline__ float fromHalf(unsigned short half) {
  unsigned sign = (unsigned)(half & 0x8000) << 16;
  unsigned rest = half & 0x7fff;
  if (rest < 0x0400) {
    // Zero or subnormal: a multiple of 2^-24.
    float value = (float)rest * 5.9604644775390625e-8f;
    return __uint_as_float(sign | __float_as_uint(value));
  }
  unsigned exponent = rest >= 0x7c00 ? 0x7f800000u - (0x7c00u << 13) : 112u << 23;
  return __uint_as_float(sign | ((rest << 13) + exponent));
}

// To nearest, ties to even; too large a number becomes infinite, NaN stays NaN.
__device__ __forceinline__ unsigned short toHalf(float value) {
  unsigned bits = __float_as_uint(value);
  unsigned sign = bits >> 16 & 0x8000;
  unsigned rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) {
    return (unsigned short)(sign | 0x7e00 | (rest >> 13 & 0x03ff));
  }
  if (rest >= 0x477ff000) {
    return (unsigned short)(sign | 0x7c00);  // 65520, half way to 2^16, and more
  }
  if (rest >= 0x38800000) {
    // Normal, from 2^-14: the exponent is 112 less, and a carry out of the significand moves it on.
    return (unsigned short)(sign | (rest - (112u << 23) + 0x0fff + (rest >> 13 & 1)) >> 13);
  }
  if (rest < 0x33000000) {
    return (unsigned short)sign;  // less than 2^-25
  }
  // Subnormal: the significand with its hidden bit, as a multiple of 2^-24.
  int shift = 126 - (int)(rest >> 23);
  unsigned significand = (rest & 0x007fffff) | 0x00800000;
  unsigned kept = significand >> shift;
  unsigned lost = significand & ((1u << shift) - 1);
  unsigned half = 1u << (shift - 1);
  kept += lost > half || (lost == half && (kept & 1));
  return (unsigned short)(sign | kept);
}

__device__ __forceinline__ float fromBrain(unsigned short brain) { return __uint_as_float((unsigned)brain << 16); }

// The upper half of a float, to nearest even.
__device__ __forceinline__ unsigned short toBrain(float value) {
  unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return (unsigned short)(bits >> 16 | 0x40);  // rounding could carry a NaN into infinity
  }
  return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// ------------------------------------------------------------------------------------------------------------ elements

// The elements of a matrix, spread over blocks of 1 << shift columns: each thread takes some, the thread index fastest
// over columns, so that neighbours read neighbours. The second axis of the grid goes over columns.
#define FOR_EACH_ELEMENT(row, col, rows, cols, shift)                                                             \
  for (long long row = (long long)blockIdx.x * (blockDim.x >> (shift)) + (threadIdx.x >> (shift)); row < (rows);  \
       row += (long long)gridDim.x * (blockDim.x >> (shift)))                                                     \
    for (long long col = ((long long)blockIdx.y << (shift)) + (threadIdx.x & ((1u << (shift)) - 1)); col < (cols); \
         col += (long long)gridDim.y << (shift))

// --------------------------------------------------------------------------------------------------------------- tiles
//
// A block of 8 x 16 threads multiplies two tiles that lie in shared memory, a chunk of the inner extent at a time. The
// thread (down, across) owns ROWS consecutive rows and every 16th column: the left operand is read in vectors that all
// threads across share, the right one without bank conflicts.

constexpr int TILE_THREADS = 128;
constexpr int DOWN = 8;
constexpr int ACROSS = 16;

// Inner extent of a chunk.
constexpr int DEPTH = 16;

// Distance of rows in shared memory: still aligned to vectors, and transposing into it meets few bank conflicts.
__device__ constexpr int pitchOf(int extent) { return extent + 4; }

// sum[i][j] += Σ_d left[d][row + i]·right[d][column + 16j]
template <int ROWS, int COLUMNS>
__device__ __forceinline__ void multiplyTiles(
    const float* left, int leftPitch, const float* right, int rightPitch, float (&sum)[ROWS][COLUMNS]) {
  const float* l = left + threadIdx.x / ACROSS * ROWS;
  const float* r = right + threadIdx.x % ACROSS;
  // In part: enough to hide the loop, while the operands still fit into registers.
#pragma unroll 4
  for (int d = 0; d < DEPTH; d++) {
    float a[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i += 4) {
      float4 four = *reinterpret_cast<const float4*>(l + d * leftPitch + i);
      a[i] = four.x;
      a[i + 1] = four.y;
      a[i + 2] = four.z;
      a[i + 3] = four.w;
    }
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      float b = r[d * rightPitch + j * ACROSS];
#pragma unroll
      for (int i = 0; i < ROWS; i++) {
        sum[i][j] = fmaf(a[i], b, sum[i][j]);
      }
    }
  }
}

template <int ROWS, int COLUMNS>
__device__ __forceinline__ void clear(float (&sum)[ROWS][COLUMNS]) {
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      sum[i][j] = 0.0f;
    }
  }
}

// ----------------------------------------------------------------------------------------------------------- attention
//
// Scores are products of tokens over the channels of a head, 16 at a time; they become weights, which stay in shared
// memory and multiply the rows of 16 other tokens at a time. What comes next is on its way into registers meanwhile.

// Of a tile, across.
constexpr int KEYS = 64;
constexpr int KEY_PITCH = pitchOf(KEYS);

// Scores of a thread in a row of a tile.
constexpr int SCORES = KEYS / ACROSS;

// Tokens of one head of one sample. Row i of a tile is token at[i], or first + i where there is no table; there are
// count of them, and zeros behind.
struct Tokens {
  const float* x;
  long long stride;
  const int* at;
  int first;
  int count;

  __device__ __forceinline__ long long place(int row) const {
    return (long long)(at == nullptr ? first + row : at[row]) * stride;
  }
};

// A chunk [channel][row] of EXTENT tokens and 16 channels, on its way through the registers of the block.
template <int EXTENT>
struct Channels {
  static constexpr int COUNT = EXTENT * DEPTH / TILE_THREADS;

  float values[COUNT];

  __device__ __forceinline__ void load(const Tokens& tokens, int channel, int size) {
    int d = channel + threadIdx.x % DEPTH;
#pragma unroll
    for (int e = 0; e < COUNT; e++) {
      int row = threadIdx.x / DEPTH + e * (TILE_THREADS / DEPTH);
      values[e] = row < tokens.count && d < size ? tokens.x[tokens.place(row) + d] : 0.0f;
    }
  }

  __device__ __forceinline__ void store(float* chunk) const {
#pragma unroll
    for (int e = 0; e < COUNT; e++) {
      chunk[threadIdx.x % DEPTH * pitchOf(EXTENT) + threadIdx.x / DEPTH + e * (TILE_THREADS / DEPTH)] = values[e];
    }
  }
};

// A chunk [row][channel] of 16 tokens, from a row of a tile on, and WIDTH channels, on the same way.
template <int WIDTH>
struct Rows {
  static constexpr int COUNT = DEPTH * WIDTH / TILE_THREADS;

  float values[COUNT];

  __device__ __forceinline__ void load(const Tokens& tokens, int from, int channel, int size) {
#pragma unroll
    for (int e = 0; e < COUNT; e++) {
      int row = from + (e * TILE_THREADS + threadIdx.x) / WIDTH;
      int d = channel + (e * TILE_THREADS + threadIdx.x) % WIDTH;
      values[e] = row < tokens.count && d < size ? tokens.x[tokens.place(row) + d] : 0.0f;
    }
  }

  __device__ __forceinline__ void store(float* chunk) const {
#pragma unroll
    for (int e = 0; e < COUNT; e++) {
      chunk[e * TILE_THREADS + threadIdx.x] = values[e];
    }
  }
};

// sum[i][j] += left_row·right_column, over the channels of a head. The chunk has room for both operands.
template <int ROWS>
__device__ __forceinline__ void multiplyTokens(
    const Tokens& left, const Tokens& right, float* chunk, int size, float (&sum)[ROWS][SCORES]) {
  constexpr int TILE = DOWN * ROWS;
  float* other = chunk + DEPTH * pitchOf(TILE);
  __syncthreads();  // tables of places are there
  Channels<TILE> ofLeft;
  Channels<KEYS> ofRight;
  ofLeft.load(left, 0, size);
  ofRight.load(right, 0, size);
  for (int channel = 0; channel < size; channel += DEPTH) {
    __syncthreads();  // what was in the chunk has been used
    ofLeft.store(chunk);
    ofRight.store(other);
    __syncthreads();
    // The next one comes while this one is multiplied; behind the last channel it is zeros.
    ofLeft.load(left, channel + DEPTH, size);
    ofRight.load(right, channel + DEPTH, size);
    multiplyTiles<ROWS, SCORES>(chunk, pitchOf(TILE), other, KEY_PITCH, sum);
  }
}

// Weights for all threads: shared[column][row].
template <int ROWS>
__device__ __forceinline__ void share(const float (&weights)[ROWS][SCORES], float* shared) {
  constexpr int PITCH = pitchOf(DOWN * ROWS);
  float* to = shared + threadIdx.x % ACROSS * PITCH + threadIdx.x / ACROSS * ROWS;
#pragma unroll
  for (int j = 0; j < SCORES; j++) {
#pragma unroll
    for (int i = 0; i < ROWS; i += 4) {
      *reinterpret_cast<float4*>(to + j * ACROSS * PITCH + i) =
          make_float4(weights[i][j], weights[i + 1][j], weights[i + 2][j], weights[i + 3][j]);
    }
  }
}

// sum += weights·x for the first count columns of the shared weights, and a slice of the channels of x. With a causal
// mask a row has no part of a token behind it, not even of one that is NaN: visible is how many tokens of this tile the
// first row of the thread sees.
template <int ROWS, int COLUMNS>
__device__ __forceinline__ void multiplyWeights(
    const float* weights, const Tokens& x, float* chunk, int channel, int size, int count, int visible,
    float (&sum)[ROWS][COLUMNS]) {
  constexpr int PITCH = pitchOf(DOWN * ROWS);
  constexpr int WIDTH = ACROSS * COLUMNS;
  Rows<WIDTH> next;
  next.load(x, 0, channel, size);
  for (int from = 0; from < count; from += DEPTH) {
    __syncthreads();  // what was in the chunk has been used, and the weights are there
    next.store(chunk);
    __syncthreads();
    next.load(x, from + DEPTH, channel, size);
    if (from + DEPTH <= visible) {
      multiplyTiles<ROWS, COLUMNS>(weights + from * PITCH, PITCH, chunk, WIDTH, sum);
    } else {
      const float* w = weights + from * PITCH + threadIdx.x / ACROSS * ROWS;
      const float* r = chunk + threadIdx.x % ACROSS;
#pragma unroll 1
      for (int d = 0; d < DEPTH; d++) {
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
          if (from + d < visible + i) {
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) {
              sum[i][j] = fmaf(w[d * PITCH + i], r[d * WIDTH + j * ACROSS], sum[i][j]);
            }
          }
        }
      }
    }
  }
}

// Over the threads of a row of a tile, which are half of a warp.
__device__ __forceinline__ float sumAcross(float value) {
  for (int distance = ACROSS / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  return value;
}

__device__ __forceinline__ float maximumAcross(float value) {
  for (int distance = ACROSS / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}

// The softmax of a row as far as its keys have been seen. A score that is NaN does not become the maximum, but makes
// the sum NaN.
struct Softmax {
  float maximum;
  float sum;  // of what this thread has seen, of exp(score - maximum)

  // Subtracted from scores; where all of them are -∞, their weights are 0.
  __device__ __forceinline__ float base() const { return maximum == -infinity() ? 0.0f : maximum; }

  // Goes on to a larger maximum; what was summed with the old one is to be multiplied by the result.
  __device__ __forceinline__ float raise(float to) {
    float before = maximum;
    maximum = fmaxf(maximum, to);
    float factor = expf(before - base());
    sum *= factor;
    return factor;
  }
};
