// The numbers that the software cuBLASLt and cuDNN read and write. Both compute in float, whatever the memory holds.
#pragma once

#include <cstdint>
#include <cstring>

namespace soft {

enum class Type { F32, F16, BF16 };

inline size_t size(Type type) { return type == Type::F32 ? 4 : 2; }

inline uint32_t toBits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float fromBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Keeps the upper bits of a float, rounding to nearest, ties to even. A NaN stays one: rounding up its payload must not
// make an infinity of it.
inline uint32_t roundedBits(float value, int dropped) {
  uint32_t bits = toBits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return (bits | 0x400000) >> dropped << dropped;
  }
  uint32_t half = (1u << (dropped - 1)) - 1;
  return (bits + half + (bits >> dropped & 1)) >> dropped << dropped;
}

inline float toTf32(float value) { return fromBits(roundedBits(value, 13)); }

inline float fromBf16(uint16_t bits) { return fromBits(static_cast<uint32_t>(bits) << 16); }

inline uint16_t toBf16(float value) { return static_cast<uint16_t>(roundedBits(value, 16) >> 16); }

inline float fromF16(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) {
    return fromBits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  }
  // The exponent is rebased by a multiplication, which also gets the subnormal numbers right.
  return fromBits(sign | toBits(fromBits(magnitude << 13) * fromBits(0x77800000)));
}

inline uint16_t toF16(float value) {
  uint32_t sign = toBits(value) >> 16 & 0x8000;
  uint32_t magnitude = toBits(value) & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return static_cast<uint16_t>(sign | 0x7e00);
  }
  if (magnitude >= 0x477ff000) {  // rounds to more than the largest half, 65504
    return static_cast<uint16_t>(sign | 0x7c00);
  }
  if (magnitude < 0x38800000) {  // below the smallest normal half: adding 0.5 leaves the float's last bit worth 2^-24
    return static_cast<uint16_t>(sign | (toBits(fromBits(magnitude) + 0.5f) - 0x3f000000));
  }
  return static_cast<uint16_t>(sign | ((roundedBits(fromBits(magnitude), 13) - 0x38000000) >> 13));
}

inline float load(const void* from, int64_t index, Type type) {
  switch (type) {
    case Type::F16:
      return fromF16(static_cast<const uint16_t*>(from)[index]);
    case Type::BF16:
      return fromBf16(static_cast<const uint16_t*>(from)[index]);
    default:
      return static_cast<const float*>(from)[index];
  }
}

inline void store(void* to, int64_t index, Type type, float value) {
  switch (type) {
    case Type::F16:
      static_cast<uint16_t*>(to)[index] = toF16(value);
      break;
    case Type::BF16:
      static_cast<uint16_t*>(to)[index] = toBf16(value);
      break;
    default:
      static_cast<float*>(to)[index] = value;
  }
}

// What is left of a value that was stored.
inline float rounded(float value, Type type) {
  return type == Type::F16 ? fromF16(toF16(value)) : type == Type::BF16 ? fromBf16(toBf16(value)) : value;
}

}  // namespace soft
