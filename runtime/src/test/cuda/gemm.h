// Products of matrices in float, for cuBLASLt's matmul and for cuDNN's convolution and attention. Operands are packed
// into strips that the innermost loop reads from front to back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace soft {

// 16 rows are two registers of AVX; with 6 columns the sums of a tile fit into its 16 registers.
constexpr int64_t TILE_ROWS = 16;
constexpr int64_t TILE_COLUMNS = 6;

// How far into the depth and over how many strips of rows a block goes, for what it reads to stay in the caches.
constexpr int64_t BLOCK_DEPTH = 384;
constexpr int64_t BLOCK_STRIPS = 8;

// Products of fewer multiplications than this are not worth a second thread.
constexpr int64_t ONE_THREAD = 1 << 22;

// Packs rows by depth values into strips of so many rows, padded with zeros. load(row, count, depth, to) puts the
// values that count rows from row on have at a depth.
template <class Load>
std::vector<float> strips(int64_t rows, int64_t depth, int64_t width, Load load) {
  std::vector<float> packed((rows + width - 1) / width * width * depth);
  float* to = packed.data();
  for (int64_t row = 0; row < rows; row += width) {
    int64_t count = std::min(width, rows - row);
    for (int64_t at = 0; at < depth; at++, to += width) {
      load(row, count, at, to);
    }
  }
  return packed;
}

#if defined(__x86_64__)
#define FOR_EACH_CPU __attribute__((optimize("O3"), target_clones("fma", "default")))
#else
#define FOR_EACH_CPU
#endif

// A vector that is wider than the registers would be kept in memory, so half a row of a tile and not all of it.
constexpr int64_t LANES = 8;
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

// tile[column * 16 + row] = the sum over a depth of one strip of rows with one of columns.
FOR_EACH_CPU static void multiplyTile(const float* rows, const float* columns, int64_t depth, float* tile) {
  Lanes sums[TILE_COLUMNS][2] = {};
  for (int64_t at = 0; at < depth; at++, rows += TILE_ROWS, columns += TILE_COLUMNS) {
    Lanes upper = *reinterpret_cast<const Lanes*>(rows);
    Lanes lower = *reinterpret_cast<const Lanes*>(rows + LANES);
    for (int64_t column = 0; column < TILE_COLUMNS; column++) {
      sums[column][0] += upper * columns[column];
      sums[column][1] += lower * columns[column];
    }
  }
  for (int64_t column = 0; column < TILE_COLUMNS; column++) {
    Lanes* to = reinterpret_cast<Lanes*>(tile + column * TILE_ROWS);
    to[0] = sums[column][0];
    to[1] = sums[column][1];
  }
}

struct Product {
  int64_t rows, columns, depth;
  const float* packedRows;     // strips of TILE_ROWS
  const float* packedColumns;  // strips of TILE_COLUMNS
  float* sums;                 // [column][row]

  // The strips of rows and of columns from one to before another.
  void multiply(int64_t rowStrip, int64_t rowStrips, int64_t columnStrip, int64_t columnStrips) const {
    alignas(64) float tile[TILE_ROWS * TILE_COLUMNS];
    for (int64_t from = 0; from < depth; from += BLOCK_DEPTH) {
      int64_t length = std::min(BLOCK_DEPTH, depth - from);
      for (int64_t block = rowStrip; block < rowStrips; block += BLOCK_STRIPS) {
        for (int64_t j = columnStrip; j < columnStrips; j++) {
          for (int64_t i = block; i < std::min(rowStrips, block + BLOCK_STRIPS); i++) {
            multiplyTile(packedRows + (i * depth + from) * TILE_ROWS, packedColumns + (j * depth + from) * TILE_COLUMNS,
                         length, tile);
            add(tile, i * TILE_ROWS, j * TILE_COLUMNS, from == 0);
          }
        }
      }
    }
  }

  void add(const float* tile, int64_t row, int64_t column, bool first) const {
    int64_t high = std::min(TILE_ROWS, rows - row);
    int64_t wide = std::min(TILE_COLUMNS, columns - column);
    for (int64_t j = 0; j < wide; j++, tile += TILE_ROWS) {
      float* to = sums + (column + j) * rows + row;
      for (int64_t i = 0; i < high; i++) {
        to[i] = first ? tile[i] : to[i] + tile[i];
      }
    }
  }
};

// sums[column * rows + row] from strips of TILE_ROWS rows and of TILE_COLUMNS columns.
static inline void multiply(int64_t rows, int64_t columns, int64_t depth, const std::vector<float>& packedRows,
                            const std::vector<float>& packedColumns, float* sums) {
  Product product{rows, columns, depth, packedRows.data(), packedColumns.data(), sums};
  int64_t high = (rows + TILE_ROWS - 1) / TILE_ROWS;
  int64_t wide = (columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
  if (rows * columns * depth < ONE_THREAD || std::thread::hardware_concurrency() < 2 || high * wide < 2) {
    product.multiply(0, high, 0, wide);
  } else if (wide > 1) {
    std::thread other([&] { product.multiply(0, high, wide / 2, wide); });
    product.multiply(0, high, 0, wide / 2);
    other.join();
  } else {
    std::thread other([&] { product.multiply(high / 2, high, 0, wide); });
    product.multiply(0, high / 2, 0, wide);
    other.join();
  }
}

}  // namespace soft
