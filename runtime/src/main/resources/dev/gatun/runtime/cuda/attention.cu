// Attention of many heads over tiles of queries and keys, with an online softmax (Dao et al., "FlashAttention", 2022;
// Milakov and Gimelshein, 2018).
//
// A block has a tile of the queries of one head, and goes through the keys, 64 at a time. The channels of the result
// that it has room for are a slice: for a larger head more blocks compute the same weights. Order and number of sums
// depend on the extents of one head alone.
#include "common.cuh"

// A grid of tokens [height, width] in windows of side x side tokens; side is 0 without windows.
struct Windows {
  int width;
  int side;

  // Where in the grid a token of a window stands.
  __device__ __forceinline__ int position(int window, int token) const {
    if (side == 0) {
      return token;
    }
    int perRow = width / side;
    return (window / perRow * side + token / side) * width + window % perRow * side + token % side;
  }

  // The bias of a query q and a key k is element biasAt(q) - biasAt(k) + biasAt(last token) of its head.
  __device__ __forceinline__ int biasAt(int token) const {
    return side == 0 ? 0 : token / side * (2 * side - 1) + token % side;
  }
};

// -------------------------------------------------------------------------------------------------------- the operator

#define ATTENTION_PARAMETERS                                                                                          \
  const float *q, long long qs, const float *k, long long ks, const float *v, long long vs, float *out, long long os, \
      int heads, int size, int queries, int keys, float scale, int causal, int width, int side, int windows,         \
      const float *bias, long long biasStride

#define ATTENTION_ARGUMENTS \
  q, qs, k, ks, v, vs, out, os, heads, size, queries, keys, scale, causal, width, side, windows, bias, biasStride

// out = softmax(scale·q·kᵀ + bias)·v. Tokens attend in groups of queries and keys: a sample, or one of its windows, of
// which it has so many. Blocks: slices of a head fastest, then tiles of queries, heads, groups.
template <int ROWS, int COLUMNS>
__device__ __forceinline__ void attend(ATTENTION_PARAMETERS) {
  constexpr int TILE = DOWN * ROWS;
  constexpr int WIDTH = ACROSS * COLUMNS;
  constexpr int BOTH = DEPTH * (pitchOf(TILE) + KEY_PITCH);
  __shared__ __align__(16) float chunk[BOTH > DEPTH * WIDTH ? BOTH : DEPTH * WIDTH];
  __shared__ __align__(16) float weights[KEYS * pitchOf(TILE)];
  __shared__ int queryAt[TILE];
  __shared__ int keyAt[KEYS];
  __shared__ int queryBias[TILE];
  __shared__ int keyBias[KEYS];

  unsigned slices = (size + WIDTH - 1) / WIDTH;
  unsigned tiles = (queries + TILE - 1) / TILE;
  unsigned block = blockIdx.x;
  int channel = (int)(block % slices) * WIDTH;
  block /= slices;
  int firstQuery = (int)(block % tiles) * TILE;
  block /= tiles;
  int head = (int)(block % heads);
  int group = (int)(block / heads);
  long long sample = group / windows;
  int window = group % windows;
  Windows grid = {width, side};
  int down = threadIdx.x / ACROSS;
  int across = threadIdx.x % ACROSS;

  if (threadIdx.x < TILE && firstQuery + (int)threadIdx.x < queries) {
    queryAt[threadIdx.x] = grid.position(window, firstQuery + threadIdx.x);
    queryBias[threadIdx.x] = grid.biasAt(firstQuery + threadIdx.x);
  }
  long long at = (long long)head * size;
  Tokens query = {q + sample * windows * queries * qs + at, qs, queryAt, 0, min(TILE, queries - firstQuery)};
  Tokens key = {k + sample * windows * keys * ks + at, ks, keyAt, 0, 0};
  Tokens value = {v + sample * windows * keys * vs + at, vs, keyAt, 0, 0};
  const float* biases = bias == nullptr ? nullptr : bias + head * biasStride + grid.biasAt(side * side - 1);

  Softmax softmax[ROWS];
  float sum[ROWS][COLUMNS];
  clear(sum);
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
    softmax[i] = {-infinity(), 0.0f};
  }
  int ownQuery = firstQuery + down * ROWS;
  int end = causal ? min(keys, firstQuery + TILE) : keys;
  for (int firstKey = 0; firstKey < end; firstKey += KEYS) {
    __syncthreads();  // the last tile of keys has been used
    if (threadIdx.x < KEYS && firstKey + (int)threadIdx.x < keys) {
      keyAt[threadIdx.x] = grid.position(window, firstKey + threadIdx.x);
      keyBias[threadIdx.x] = grid.biasAt(firstKey + threadIdx.x);
    }
    key.count = min(KEYS, keys - firstKey);
    value.count = key.count;
    float scores[ROWS][SCORES];
    clear(scores);
    multiplyTokens<ROWS>(query, key, chunk, size, scores);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      float highest = -infinity();
#pragma unroll
      for (int j = 0; j < SCORES; j++) {
        int token = firstKey + across + j * ACROSS;
        bool seen = token < keys && (!causal || token <= ownQuery + i);
        float score = scale * scores[i][j];
        if (biases != nullptr && seen && down * ROWS + i < query.count) {
          score += biases[queryBias[down * ROWS + i] - keyBias[across + j * ACROSS]];
        }
        scores[i][j] = seen ? score : -infinity();
        highest = fmaxf(highest, scores[i][j]);
      }
      float factor = softmax[i].raise(maximumAcross(highest));
#pragma unroll
      for (int j = 0; j < SCORES; j++) {
        scores[i][j] = expf(scores[i][j] - softmax[i].base());
        softmax[i].sum += scores[i][j];
      }
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) {
        sum[i][j] *= factor;
      }
    }
    share<ROWS>(scores, weights);
    multiplyWeights<ROWS, COLUMNS>(
        weights, value, chunk, channel, size, min(KEYS, end - firstKey), causal ? ownQuery + 1 - firstKey : KEYS, sum);
  }

#pragma unroll
  for (int i = 0; i < ROWS; i++) {
    float total = sumAcross(softmax[i].sum);
    int row = down * ROWS + i;
    if (row < query.count) {
      float* to = out + (sample * windows * queries + queryAt[row]) * os + at;
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) {
        int c = channel + across + j * ACROSS;
        if (c < size) {
          to[c] = keys == 0 ? 0.0f : sum[i][j] / total;
        }
      }
    }
  }
}

// Named by the queries of a tile and the channels of a slice. So many blocks of each at once leave it enough registers.

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attention64x64(ATTENTION_PARAMETERS) {
  attend<8, 4>(ATTENTION_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2) attention64x80(ATTENTION_PARAMETERS) {
  attend<8, 5>(ATTENTION_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2) attention64x128(ATTENTION_PARAMETERS) {
  attend<8, 8>(ATTENTION_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attention32x64(ATTENTION_PARAMETERS) {
  attend<4, 4>(ATTENTION_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attention32x80(ATTENTION_PARAMETERS) {
  attend<4, 5>(ATTENTION_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attention32x128(ATTENTION_PARAMETERS) {
  attend<4, 8>(ATTENTION_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attention32x256(ATTENTION_PARAMETERS) {
  attend<4, 16>(ATTENTION_ARGUMENTS);
}
