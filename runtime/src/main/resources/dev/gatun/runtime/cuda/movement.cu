// Operators that move numbers, change their storage, or make embeddings.
#include "common.cuh"

// -------------------------------------------------------------------------------------------------------------- copies

struct Same {
  template <class T>
  __device__ T operator()(T value) const {
    return value;
  }
};

struct HalfToFloat {
  __device__ float operator()(unsigned short value) const { return fromHalf(value); }
};

struct FloatToHalf {
  __device__ unsigned short operator()(float value) const { return toHalf(value); }
};

struct BrainToFloat {
  __device__ float operator()(unsigned short value) const { return fromBrain(value); }
};

struct FloatToBrain {
  __device__ unsigned short operator()(float value) const { return toBrain(value); }
};

struct HalfToBrain {
  __device__ unsigned short operator()(unsigned short value) const { return toBrain(fromHalf(value)); }
};

struct BrainToHalf {
  __device__ unsigned short operator()(unsigned short value) const { return toHalf(fromBrain(value)); }
};

template <class From, class To, class Convert>
__device__ __forceinline__ void copyRows(
    const From* from, long long fs, To* to, long long ts, long long rows, int cols, int shift, Convert convert) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    to[r * ts + c] = convert(from[r * fs + c]);
  }
}

extern "C" __global__ void copy16(
    const unsigned short* from, long long fs, unsigned short* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, Same());
}

// As integers, so that every NaN arrives as it was.
extern "C" __global__ void copy32(
    const unsigned* from, long long fs, unsigned* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, Same());
}

extern "C" __global__ void copy64(
    const long long* from, long long fs, long long* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, Same());
}

extern "C" __global__ void halfToFloat(
    const unsigned short* from, long long fs, float* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, HalfToFloat());
}

extern "C" __global__ void floatToHalf(
    const float* from, long long fs, unsigned short* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, FloatToHalf());
}

extern "C" __global__ void brainToFloat(
    const unsigned short* from, long long fs, float* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, BrainToFloat());
}

extern "C" __global__ void floatToBrain(
    const float* from, long long fs, unsigned short* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, FloatToBrain());
}

extern "C" __global__ void halfToBrain(
    const unsigned short* from, long long fs, unsigned short* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, HalfToBrain());
}

extern "C" __global__ void brainToHalf(
    const unsigned short* from, long long fs, unsigned short* to, long long ts, long long rows, int cols, int shift) {
  copyRows(from, fs, to, ts, rows, cols, shift, BrainToHalf());
}

// ------------------------------------------------------------------------------------------------------------ channels

constexpr int SIDE = 32;

// Between planes [N, C, H, W], rows of W a stride apart, and a map [N, H, W, C], rows of C a stride apart: 32 x 32
// positions and channels at a time through shared memory, so that both sides are read and written along their rows.
// Blocks of 32 x 8 threads; grid of positions, channels, samples.
template <bool TO_MAP>
__device__ __forceinline__ void exchange(
    const float* from, float* to, long long planeStride, long long mapStride, int samples, int channels, int height,
    int width) {
  __shared__ float tile[SIDE][SIDE + 1];
  int x = threadIdx.x % SIDE;
  int y = threadIdx.x / SIDE;
  int lines = blockDim.x / SIDE;
  long long positions = (long long)height * width;
  for (long long n = blockIdx.z; n < samples; n += gridDim.z) {
    for (long long c0 = (long long)blockIdx.y * SIDE; c0 < channels; c0 += (long long)gridDim.y * SIDE) {
      for (long long p0 = (long long)blockIdx.x * SIDE; p0 < positions; p0 += (long long)gridDim.x * SIDE) {
        // In the planes positions lie side by side, in the map channels do.
        long long p = p0 + x;
        long long row = quotient(p, width);
        long long inPlane = row * planeStride + (p - row * width);
        __syncthreads();
        for (int i = y; i < SIDE; i += lines) {
          if (TO_MAP) {
            if (p < positions && c0 + i < channels) {
              tile[i][x] = from[(n * channels + c0 + i) * height * planeStride + inPlane];
            }
          } else if (p0 + i < positions && c0 + x < channels) {
            tile[i][x] = from[(n * positions + p0 + i) * mapStride + c0 + x];
          }
        }
        __syncthreads();
        for (int i = y; i < SIDE; i += lines) {
          if (TO_MAP) {
            if (p0 + i < positions && c0 + x < channels) {
              to[(n * positions + p0 + i) * mapStride + c0 + x] = tile[x][i];
            }
          } else if (p < positions && c0 + i < channels) {
            to[(n * channels + c0 + i) * height * planeStride + inPlane] = tile[x][i];
          }
        }
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(256) toChannelsLast(
    const float* planes, long long planeStride, float* map, long long mapStride, int samples, int channels, int height,
    int width) {
  exchange<true>(planes, map, planeStride, mapStride, samples, channels, height, width);
}

extern "C" __global__ void __launch_bounds__(256) toChannelsFirst(
    const float* map, long long mapStride, float* planes, long long planeStride, int samples, int channels, int height,
    int width) {
  exchange<false>(map, planes, planeStride, mapStride, samples, channels, height, width);
}

// ------------------------------------------------------------------------------------------------------------- patches

// Between image [N, H, W, C] and tokens [N, (H/p)(W/p), p·p·C]. The elements are those of the tokens; cut is 1 towards
// the tokens and 0 towards the image.
extern "C" __global__ void patches(
    float* image, long long is, float* tokens, long long ts, int cut, int width, int channels, int patch,
    long long rows, int cols, int shift) {
  int perLine = width / patch;
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    long long line = quotient(r, perLine);  // of patches, in all images: the patch divides the height
    int place = (int)c / channels;
    long long y = line * patch + place / patch;
    long long x = (r - line * perLine) * patch + place % patch;
    long long pixel = (y * width + x) * is + (c - (long long)place * channels);
    if (cut) {
      tokens[r * ts + c] = image[pixel];
    } else {
      image[pixel] = tokens[r * ts + c];
    }
  }
}

// ---------------------------------------------------------------------------------------------------------- embeddings

// out[i] = table[ids[i]]; NaN where the table has no such entry.
extern "C" __global__ void embed(
    const float* table, long long ts, long long entries, const long long* ids, long long idStride, int idCols,
    float* out, long long os, long long rows, int cols, int shift) {
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    long long line = quotient(r, idCols);
    long long id = ids[line * idStride + (r - line * idCols)];
    out[r * os + c] = id >= 0 && id < entries ? table[id * ts + c] : notANumber();
  }
}

// Row n is [cos(t_n·f_0) …, sin(t_n·f_0) …] with f_i = exp(log·i/half) and log = -ln(maxPeriod), and a last 0 where the
// width is odd. Rounded to f32 where PyTorch rounds: product, quotient, frequency, angle, result.
extern "C" __global__ void timestepEmbedding(
    const float* t, float log, float* out, long long os, long long rows, int cols, int shift) {
  int half = cols / 2;
  FOR_EACH_ELEMENT(r, c, rows, cols, shift) {
    float value = 0.0f;
    if (c < 2 * half) {
      int i = c < half ? (int)c : (int)c - half;
      float frequency = (float)exp((double)__fdiv_rn(__fmul_rn(log, (float)i), (float)half));
      double angle = __fmul_rn(t[r], frequency);
      value = (float)(c < half ? cos(angle) : sin(angle));
    }
    out[r * os + c] = value;
  }
}
