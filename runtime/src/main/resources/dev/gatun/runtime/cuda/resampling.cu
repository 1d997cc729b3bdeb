// Operators that change the positions of a map [N, H, W, C], or average over them. "rows" are positions.
#include "common.cuh"

// A position of a map, from its row.
struct Position {
  long long n;
  int y;
  int x;

  __device__ Position(long long row, int height, int width) {
    long long line = quotient(row, width);
    x = (int)(row - line * width);
    n = quotient(line, height);
    y = (int)(line - n * height);
  }
};

// out[n, 2i + a, 2j + b] = x[n, i, j]; height and width are those of the result.
extern "C" __global__ void upsampleNearest(
    const float* x, long long xs, float* out, long long os, int height, int width, long long rows, int cols,
    int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    Position at(r, height, width);
    long long from = (at.n * (height / 2) + at.y / 2) * (width / 2) + at.x / 2;
    out[r * os + c] = x[from * xs + c];
  }
}

// The mean of x[n, 2i …, 2j …]; height and width are those of the result.
extern "C" __global__ void averagePool(
    const float* x, long long xs, float* out, long long os, int height, int width, long long rows, int cols,
    int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    Position at(r, height, width);
    long long line = 2LL * width;
    const float* above = x + ((at.n * 2 * height + 2 * at.y) * line + 2 * at.x) * xs + c;
    const float* below = above + line * xs;
    out[r * os + c] = 0.25f * ((above[0] + above[xs]) + (below[0] + below[xs]));
  }
}

// Where along an axis the value of a position of the result is read: between two positions, with a weight.
struct Between {
  int first;
  int second;
  float weight;

  __device__ Between(int to, int in, int out) {
    double place = (to + 0.5) * in / out - 0.5;
    place = place < 0 ? 0 : place;
    first = (int)place;
    second = first + 1 < in ? first + 1 : in - 1;
    weight = (float)(place - first);
  }

  __device__ float mix(float a, float b) const { return (1.0f - weight) * a + weight * b; }
};

// Bilinear interpolation from [N, inHeight, inWidth, C] to [N, height, width, C].
extern "C" __global__ void resizeBilinear(
    const float* x, long long xs, int inHeight, int inWidth, float* out, long long os, int height, int width,
    long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    Position at(r, height, width);
    Between down(at.y, inHeight, height);
    Between right(at.x, inWidth, width);
    const float* top = x + (at.n * inHeight + down.first) * inWidth * xs + c;
    const float* bottom = x + (at.n * inHeight + down.second) * inWidth * xs + c;
    float above = right.mix(top[right.first * xs], top[right.second * xs]);
    float below = right.mix(bottom[right.first * xs], bottom[right.second * xs]);
    out[r * os + c] = down.mix(above, below);
  }
}

// The sums of a chunk of positions, one for each channel: x [N, positions, C] → sums [N, chunks, C]. In double
// precision, so that the mean of many positions is exact. One block for each chunk of a sample and 1 << shift channels.
extern "C" __global__ void __launch_bounds__(256) sumPositions(
    const float* x, long long xs, long long positions, int chunk, int chunks, double* sums, int cols, int shift) {
  __shared__ double partial[256];
  int width = 1 << shift;
  int lanes = blockDim.x >> shift;
  int c = (blockIdx.y << shift) + (threadIdx.x & (width - 1));
  long long n = blockIdx.x / chunks;
  long long begin = (long long)(blockIdx.x % chunks) * chunk;
  long long end = begin + chunk < positions ? begin + chunk : positions;
  double sum = 0;
  if (c < cols) {
    for (long long p = begin + (threadIdx.x >> shift); p < end; p += lanes) {
      sum += x[(n * positions + p) * xs + c];
    }
  }
  partial[threadIdx.x] = sum;
  // Lanes are added in a fixed order.
  for (int half = blockDim.x / 2; half >= width; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      partial[threadIdx.x] += partial[threadIdx.x + half];
    }
  }
  if (threadIdx.x < width && c < cols) {
    sums[(long long)blockIdx.x * cols + c] = partial[threadIdx.x];
  }
}

// out[n] = Σ sums[n, …] / positions
extern "C" __global__ void meanOfSums(
    const double* sums, int chunks, long long positions, float* out, long long os, long long rows, int cols,
    int shift) {
  FOR_EACH_ELEMENT(n, c, rows, cols, shift) {
    double sum = 0;
    for (int i = 0; i < chunks; i++) {
      sum += sums[(n * chunks + i) * cols + c];
    }
    out[n * os + c] = (float)(sum / (double)positions);
  }
}
