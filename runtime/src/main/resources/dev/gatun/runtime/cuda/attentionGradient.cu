// The gradient of attention, which computes the weights anew.
//
// With P the weights of a query and dP_j = dOut·v_j, the gradient of its scaled scores is dS = P ⊙ (dP - Σ P ⊙ dP).
// Then dq = scale·dS·k, dk = scale·dSᵀ·q and dv = Pᵀ·dOut. Three kernels: what a row of P needs, dq, and dk with dv;
// each block owns what it writes.
#include "common.cuh"

constexpr int GRADIENT_ROWS = 4;
constexpr int GRADIENT_TILE = DOWN * GRADIENT_ROWS;
constexpr int GRADIENT_COLUMNS = 4;
constexpr int GRADIENT_SLICE = ACROSS * GRADIENT_COLUMNS;

// Where a block stands: slices of a head fastest, then tiles, heads, samples.
struct GradientBlock {
  int channel;
  int first;
  int head;
  long long sample;

  __device__ GradientBlock(int slices, int tokens, int heads) {
    unsigned tiles = (tokens + GRADIENT_TILE - 1) / GRADIENT_TILE;
    unsigned block = blockIdx.x;
    channel = (int)(block % slices) * GRADIENT_SLICE;
    block /= slices;
    first = (int)(block % tiles) * GRADIENT_TILE;
    block /= tiles;
    head = (int)(block % heads);
    sample = block / heads;
  }

  // A tile of the tokens of this block's head, from one on.
  __device__ __forceinline__ Tokens tile(
      const float* x, long long stride, int size, int tokens, int from, int extent) const {
    return {x + sample * tokens * stride + (long long)head * size, stride, nullptr, from, min(extent, tokens - from)};
  }
};

// statistics [3][N, heads, Lq]: the maximum of a query's scores, the sum of exp(score - maximum), and Σ P ⊙ dP.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attentionStatistics(
    const float* q, long long qs, const float* k, long long ks, const float* v, long long vs, const float* dOut,
    long long dOuts, int heads, int size, int queries, int keys, float scale, int causal, float* statistics,
    long long allQueries) {
  __shared__ __align__(16) float chunk[DEPTH * (pitchOf(GRADIENT_TILE) + KEY_PITCH)];
  GradientBlock block(1, queries, heads);
  Tokens query = block.tile(q, qs, size, queries, block.first, GRADIENT_TILE);
  Tokens slope = block.tile(dOut, dOuts, size, queries, block.first, GRADIENT_TILE);
  int across = threadIdx.x % ACROSS;
  int ownRow = threadIdx.x / ACROSS * GRADIENT_ROWS;
  Softmax softmax[GRADIENT_ROWS];
  float mean[GRADIENT_ROWS];
#pragma unroll
  for (int i = 0; i < GRADIENT_ROWS; i++) {
    softmax[i] = {-infinity(), 0.0f};
    mean[i] = 0.0f;
  }
  int end = causal ? min(keys, block.first + GRADIENT_TILE) : keys;
  for (int firstKey = 0; firstKey < end; firstKey += KEYS) {
    float scores[GRADIENT_ROWS][SCORES];
    float slopes[GRADIENT_ROWS][SCORES];
    clear(scores);
    clear(slopes);
    multiplyTokens(query, block.tile(k, ks, size, keys, firstKey, KEYS), chunk, size, scores);
    multiplyTokens(slope, block.tile(v, vs, size, keys, firstKey, KEYS), chunk, size, slopes);
#pragma unroll
    for (int i = 0; i < GRADIENT_ROWS; i++) {
      float highest = -infinity();
#pragma unroll
      for (int j = 0; j < SCORES; j++) {
        int token = firstKey + across + j * ACROSS;
        bool seen = token < keys && (!causal || token <= block.first + ownRow + i);
        scores[i][j] = seen ? scale * scores[i][j] : -infinity();
        slopes[i][j] = seen ? slopes[i][j] : 0.0f;
        highest = fmaxf(highest, scores[i][j]);
      }
      mean[i] *= softmax[i].raise(maximumAcross(highest));
#pragma unroll
      for (int j = 0; j < SCORES; j++) {
        float weight = expf(scores[i][j] - softmax[i].base());
        softmax[i].sum += weight;
        mean[i] = fmaf(weight, slopes[i][j], mean[i]);
      }
    }
  }
  float* to = statistics + (block.sample * heads + block.head) * queries + block.first;
#pragma unroll
  for (int i = 0; i < GRADIENT_ROWS; i++) {
    float total = sumAcross(softmax[i].sum);
    float weighted = sumAcross(mean[i]);
    if (across == 0 && ownRow + i < query.count) {
      to[ownRow + i] = softmax[i].base();
      to[allQueries + ownRow + i] = total;
      to[2 * allQueries + ownRow + i] = weighted / total;
    }
  }
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attentionGradientOfQueries(
    const float* q, long long qs, const float* k, long long ks, const float* v, long long vs, const float* dOut,
    long long dOuts, int heads, int size, int queries, int keys, float scale, int causal, const float* statistics,
    long long allQueries, float* dq, long long dqs) {
  __shared__ __align__(16) float chunk[DEPTH * (pitchOf(GRADIENT_TILE) + KEY_PITCH)];
  __shared__ __align__(16) float shared[KEYS * pitchOf(GRADIENT_TILE)];
  GradientBlock block((size + GRADIENT_SLICE - 1) / GRADIENT_SLICE, queries, heads);
  Tokens query = block.tile(q, qs, size, queries, block.first, GRADIENT_TILE);
  Tokens slope = block.tile(dOut, dOuts, size, queries, block.first, GRADIENT_TILE);
  int across = threadIdx.x % ACROSS;
  int ownRow = threadIdx.x / ACROSS * GRADIENT_ROWS;
  const float* of = statistics + (block.sample * heads + block.head) * queries + block.first;
  float base[GRADIENT_ROWS];
  float total[GRADIENT_ROWS];
  float mean[GRADIENT_ROWS];
#pragma unroll
  for (int i = 0; i < GRADIENT_ROWS; i++) {
    bool inside = ownRow + i < query.count;
    base[i] = inside ? of[ownRow + i] : 0.0f;
    total[i] = inside ? of[allQueries + ownRow + i] : 1.0f;
    mean[i] = inside ? of[2 * allQueries + ownRow + i] : 0.0f;
  }
  float sum[GRADIENT_ROWS][GRADIENT_COLUMNS];
  clear(sum);
  int end = causal ? min(keys, block.first + GRADIENT_TILE) : keys;
  for (int firstKey = 0; firstKey < end; firstKey += KEYS) {
    Tokens key = block.tile(k, ks, size, keys, firstKey, KEYS);
    float scores[GRADIENT_ROWS][SCORES];
    float slopes[GRADIENT_ROWS][SCORES];
    clear(scores);
    clear(slopes);
    multiplyTokens(query, key, chunk, size, scores);
    multiplyTokens(slope, block.tile(v, vs, size, keys, firstKey, KEYS), chunk, size, slopes);
    int ownQuery = block.first + ownRow;
#pragma unroll
    for (int i = 0; i < GRADIENT_ROWS; i++) {
#pragma unroll
      for (int j = 0; j < SCORES; j++) {
        int token = firstKey + across + j * ACROSS;
        bool seen = token < keys && (!causal || token <= ownQuery + i);
        float weight = expf(scale * scores[i][j] - base[i]) / total[i];
        scores[i][j] = seen ? scale * weight * (slopes[i][j] - mean[i]) : 0.0f;
      }
    }
    share(scores, shared);
    multiplyWeights(
        shared, key, chunk, block.channel, size, min(KEYS, end - firstKey), causal ? ownQuery + 1 - firstKey : KEYS,
        sum);
  }
#pragma unroll
  for (int i = 0; i < GRADIENT_ROWS; i++) {
    if (ownRow + i < query.count) {
      float* to = dq + (block.sample * queries + block.first + ownRow + i) * dqs + (long long)block.head * size;
#pragma unroll
      for (int j = 0; j < GRADIENT_COLUMNS; j++) {
        int c = block.channel + across + j * ACROSS;
        if (c < size) {
          to[c] = sum[i][j];
        }
      }
    }
  }
}

// A tile of keys down, tiles of queries across.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 3) attentionGradientOfKeys(
    const float* q, long long qs, const float* k, long long ks, const float* v, long long vs, const float* dOut,
    long long dOuts, int heads, int size, int queries, int keys, float scale, int causal, const float* statistics,
    long long allQueries, float* dk, long long dks, float* dv, long long dvs) {
  __shared__ __align__(16) float chunk[DEPTH * (pitchOf(GRADIENT_TILE) + KEY_PITCH)];
  __shared__ __align__(16) float shared[KEYS * pitchOf(GRADIENT_TILE)];
  GradientBlock block((size + GRADIENT_SLICE - 1) / GRADIENT_SLICE, keys, heads);
  Tokens key = block.tile(k, ks, size, keys, block.first, GRADIENT_TILE);
  Tokens value = block.tile(v, vs, size, keys, block.first, GRADIENT_TILE);
  int across = threadIdx.x % ACROSS;
  int ownRow = threadIdx.x / ACROSS * GRADIENT_ROWS;
  const float* of = statistics + (block.sample * heads + block.head) * queries;
  float dKeys[GRADIENT_ROWS][GRADIENT_COLUMNS];
  float dValues[GRADIENT_ROWS][GRADIENT_COLUMNS];
  clear(dKeys);
  clear(dValues);
  // With a causal mask no query before the first key sees any of them.
  for (int firstQuery = causal ? block.first / KEYS * KEYS : 0; firstQuery < queries; firstQuery += KEYS) {
    Tokens query = block.tile(q, qs, size, queries, firstQuery, KEYS);
    Tokens slope = block.tile(dOut, dOuts, size, queries, firstQuery, KEYS);
    float weights[GRADIENT_ROWS][SCORES];
    float slopes[GRADIENT_ROWS][SCORES];
    clear(weights);
    clear(slopes);
    multiplyTokens(key, query, chunk, size, weights);
    multiplyTokens(value, slope, chunk, size, slopes);
#pragma unroll
    for (int j = 0; j < SCORES; j++) {
      int token = firstQuery + across + j * ACROSS;
      bool inside = token < queries;
      float base = inside ? of[token] : 0.0f;
      float total = inside ? of[allQueries + token] : 1.0f;
      float mean = inside ? of[2 * allQueries + token] : 0.0f;
#pragma unroll
      for (int i = 0; i < GRADIENT_ROWS; i++) {
        int row = block.first + ownRow + i;
        bool seen = inside && row < keys && (!causal || row <= token);
        float weight = seen ? expf(scale * weights[i][j] - base) / total : 0.0f;
        weights[i][j] = weight;
        slopes[i][j] = seen ? scale * weight * (slopes[i][j] - mean) : 0.0f;
      }
    }
    share(weights, shared);
    multiplyWeights(shared, slope, chunk, block.channel, size, slope.count, KEYS, dValues);
    __syncthreads();  // the weights have been used
    share(slopes, shared);
    multiplyWeights(shared, query, chunk, block.channel, size, query.count, KEYS, dKeys);
  }
#pragma unroll
  for (int i = 0; i < GRADIENT_ROWS; i++) {
    if (ownRow + i < key.count) {
      long long row = block.sample * keys + block.first + ownRow + i;
#pragma unroll
      for (int j = 0; j < GRADIENT_COLUMNS; j++) {
        int c = block.channel + across + j * ACROSS;
        if (c < size) {
          dk[row * dks + (long long)block.head * size + c] = dKeys[i][j];
          dv[row * dvs + (long long)block.head * size + c] = dValues[i][j];
        }
      }
    }
  }
}
