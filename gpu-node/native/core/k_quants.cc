// See k_quants.h. Layouts as in GGUF files: Q4_K and Q5_K {d f16, dmin f16, 12 bytes of 6-bit
// scales and minima, [Q5_K: 32 bytes of fifth bits], 128 bytes of nibbles}; Q6_K {128 bytes of low
// nibbles, 64 bytes of high bits, 16 scales int8, d f16}.
#include "core/k_quants.h"

#include <cstring>

#include "ops/half.h"

namespace fairlane {
namespace {

constexpr int32_t kSubBlock = 32;
constexpr int32_t kScalesAt = 4;
constexpr int32_t kQ4NibblesAt = 16;
constexpr int32_t kQ5HighBitsAt = 16;
constexpr int32_t kQ5NibblesAt = 48;
constexpr int32_t kQ6HighBitsAt = 128;
constexpr int32_t kQ6ScalesAt = 192;
constexpr int32_t kQ6ScaleAt = 208;

float HalfAt(const uint8_t* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof(half));
  return HalfToFloat(half);
}

struct ScaleAndMinimum {
  float d;
  float m;
};

// Six bits each: the first four sub-blocks have them in one byte, the others in two parts.
ScaleAndMinimum SubBlockScale(const uint8_t* block, int32_t index) {
  const uint8_t* packed = block + kScalesAt;
  int32_t scale = packed[index % 4] & 63;
  int32_t minimum = packed[index % 4 + 4] & 63;
  if (index >= 4) {
    scale = (packed[index + 4] & 15) | (packed[index - 4] >> 6) << 4;
    minimum = (packed[index + 4] >> 4) | (packed[index] >> 6) << 4;
  }
  return {HalfAt(block) * static_cast<float>(scale),
          -HalfAt(block + 2) * static_cast<float>(minimum)};
}

// Sub-blocks 2 i and 2 i + 1 are the low and the high nibbles of the same 32 bytes.
int32_t NibbleAt(const uint8_t* nibbles, int32_t index, int32_t value) {
  const uint8_t byte = nibbles[index / 2 * kSubBlock + value];
  return index % 2 == 0 ? byte & 15 : byte >> 4;
}

void ReadQ6K(const uint8_t* block, float* out) {
  const float d = HalfAt(block + kQ6ScaleAt);
  for (int32_t i = 0; i < kSuperBlock; ++i) {
    // In each half of 128 values, quarter q of 32 has its low bits in nibbles and its high two in
    // bits 2 q of the same 32 bytes.
    const int32_t half = i / 128;
    const int32_t quarter = i % 128 / kSubBlock;
    const int32_t at = i % kSubBlock;
    const uint8_t low = block[half * 64 + quarter % 2 * kSubBlock + at];
    const uint8_t high = block[kQ6HighBitsAt + half * 32 + at];
    const int32_t nibble = quarter < 2 ? low & 15 : low >> 4;
    const int32_t q = (nibble | (high >> (2 * quarter) & 3) << 4) - 32;
    const auto scale = static_cast<int8_t>(block[kQ6ScalesAt + i / 16]);
    out[i] = d * static_cast<float>(scale) * static_cast<float>(q);
  }
}

}  // namespace

void ReadKBlock(TensorType type, const uint8_t* block, float* out) {
  if (type == TensorType::kQ6_K) return ReadQ6K(block, out);
  const bool has_fifth = type == TensorType::kQ5_K;
  const uint8_t* nibbles = block + (has_fifth ? kQ5NibblesAt : kQ4NibblesAt);
  for (int32_t index = 0; index < kSuperBlock / kSubBlock; ++index) {
    const ScaleAndMinimum scale = SubBlockScale(block, index);
    for (int32_t i = 0; i < kSubBlock; ++i) {
      int32_t q = NibbleAt(nibbles, index, i);
      if (has_fifth) q |= (block[kQ5HighBitsAt + i] >> index & 1) << 4;
      out[index * kSubBlock + i] = scale.d * static_cast<float>(q) + scale.m;
    }
  }
}

Q4SubBlock ReadQ4KSubBlock(const uint8_t* block, int32_t index) {
  const ScaleAndMinimum scale = SubBlockScale(block, index);
  Q4SubBlock out = {scale.d, scale.m, {}};
  for (int32_t i = 0; i < kSubBlock / 2; ++i) {
    const int32_t low = NibbleAt(block + kQ4NibblesAt, index, i);
    const int32_t high = NibbleAt(block + kQ4NibblesAt, index, i + kSubBlock / 2);
    out.q[i] = static_cast<uint8_t>(low | high << 4);
  }
  return out;
}

}  // namespace fairlane
