// See tensor_rows.h. Sources need not be aligned, so fields are copied out.
#include "core/tensor_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/k_quants.h"
#include "ops/half.h"

namespace fairlane {
namespace {

constexpr int32_t kBlock = 32;

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

float LoadHalf(const uint8_t* from) { return HalfToFloat(Load<uint16_t>(from)); }
bool IsFiniteHalf(uint16_t half) { return (half & 0x7C00U) != 0x7C00U; }

// The 32 values of one block before scale and minimum: q4 and q5 types, 0 .. 15 and 0 .. 31.
void UnpackNibbles(const uint8_t* nibbles, const uint8_t* high_bits, int32_t* q) {
  const uint32_t high = high_bits == nullptr ? 0 : Load<uint32_t>(high_bits);
  for (int32_t j = 0; j < kBlock / 2; ++j) {
    q[j] = (nibbles[j] & 15) | static_cast<int32_t>((high >> j & 1U) << 4);
    q[j + kBlock / 2] =
        (nibbles[j] >> 4) | static_cast<int32_t>((high >> (j + kBlock / 2) & 1U) << 4);
  }
}

void ReadBlock(TensorType type, const uint8_t* block, float* out) {
  int32_t q[kBlock];
  const float d = LoadHalf(block);
  float m = 0.0F;
  switch (type) {
    case TensorType::kQ4_0:
      UnpackNibbles(block + 2, nullptr, q);
      m = -8.0F * d;
      break;
    case TensorType::kQ4_1:
      UnpackNibbles(block + 4, nullptr, q);
      m = LoadHalf(block + 2);
      break;
    case TensorType::kQ5_0:
      UnpackNibbles(block + 6, block + 2, q);
      m = -16.0F * d;
      break;
    case TensorType::kQ5_1:
      UnpackNibbles(block + 8, block + 4, q);
      m = LoadHalf(block + 2);
      break;
    default:  // kQ8_0
      for (int32_t j = 0; j < kBlock; ++j) q[j] = static_cast<int8_t>(block[2 + j]);
  }
  for (int32_t j = 0; j < kBlock; ++j) out[j] = d * static_cast<float>(q[j]) + m;
}

// Symmetric quantisation of 32 floats; the rounded scale is the one that is divided by.
void QuantizeGroup(const float* x, Q8Group* group) {
  float largest = 0.0F;
  for (int32_t i = 0; i < kGroup; ++i) largest = std::max(largest, std::fabs(x[i]));
  group->d = FloatToHalf(largest / 127.0F);
  const float d = HalfToFloat(group->d);
  for (int32_t i = 0; i < kGroup; ++i) {
    const float q = d > 0.0F ? std::nearbyint(x[i] / d) : 0.0F;
    group->q[i] = static_cast<int8_t>(std::clamp(q, -127.0F, 127.0F));
  }
}

// Puts d * q + m in the form d * (q + offset / kOffsetSteps). Where m is beyond what the offset can
// say in steps of d, the group is as good as constant: the scale grows until it can.
void OffsetGroup(float d, float m, Q4Group* group) {
  constexpr float kOffsetMax = 32767.0F / static_cast<float>(kOffsetSteps);
  group->d = FloatToHalf(d);
  if (std::fabs(m) > kOffsetMax * std::fabs(d)) {
    uint16_t wider = FloatToHalf(std::fabs(m) / (0.98F * kOffsetMax));
    if (HalfToFloat(wider) < 0x1.0p-14F)
      wider = FloatToHalf(std::fabs(m));  // subnormal: too coarse
    const float ratio = d / HalfToFloat(wider);
    for (uint8_t& byte : group->q) {
      const auto low = static_cast<int32_t>(std::nearbyint(ratio * static_cast<float>(byte & 15)));
      const auto high = static_cast<int32_t>(std::nearbyint(ratio * static_cast<float>(byte >> 4)));
      byte = static_cast<uint8_t>(std::max(low, 0) | std::max(high, 0) << 4);
    }
    group->d = wider;
  }
  const float scale = HalfToFloat(group->d);
  const float steps = scale != 0.0F ? static_cast<float>(kOffsetSteps) * (m / scale) : 0.0F;
  group->offset = static_cast<int16_t>(std::clamp(std::nearbyint(steps), -32767.0F, 32767.0F));
}

bool ReadQ4Block(TensorType type, const uint8_t* block, Q4Group* group) {
  const bool has_minimum = type == TensorType::kQ4_1;
  const float d = LoadHalf(block);
  const float m = has_minimum ? LoadHalf(block + 2) : -8.0F * d;
  if (!std::isfinite(d) || !std::isfinite(m)) return false;
  std::memcpy(group->q, block + (has_minimum ? 4 : 2), sizeof(group->q));
  OffsetGroup(d, m, group);
  return true;
}

bool ReadQ8Block(TensorType type, const uint8_t* block, Q8Group* group) {
  group->d = Load<uint16_t>(block);
  if (type == TensorType::kQ8_0) {
    std::memcpy(group->q, block + 2, sizeof(group->q));
  } else {  // kQ5_0: exact in eight bits
    int32_t q[kBlock];
    UnpackNibbles(block + 6, block + 2, q);
    for (int32_t j = 0; j < kBlock; ++j) group->q[j] = static_cast<int8_t>(q[j] - 16);
  }
  return IsFiniteHalf(group->d);
}

}  // namespace

WeightFormat Int8FormatOf(TensorType type) {
  const bool has_nibbles =
      type == TensorType::kQ4_0 || type == TensorType::kQ4_1 || type == TensorType::kQ4_K;
  return has_nibbles ? kWeightQ4 : kWeightQ8;
}

size_t RowBytes(TensorType type, int64_t values) {
  const TensorTypeInfo& info = InfoOf(type);
  return static_cast<size_t>(values / info.block_values) * static_cast<size_t>(info.block_bytes);
}

size_t CanonicalRowBytes(WeightFormat format, int64_t values) {
  if (format == kWeightF32) return static_cast<size_t>(values) * sizeof(float);
  return static_cast<size_t>(values / kGroup) *
         (format == kWeightQ4 ? sizeof(Q4Group) : sizeof(Q8Group));
}

bool ReadRowAsF32(TensorType type, const uint8_t* row, int64_t values, float* out) {
  switch (type) {
    case TensorType::kF32:
      std::memcpy(out, row, static_cast<size_t>(values) * sizeof(float));
      break;
    case TensorType::kF16:
      for (int64_t i = 0; i < values; ++i) out[i] = LoadHalf(row + 2 * i);
      break;
    case TensorType::kBf16:
      for (int64_t i = 0; i < values; ++i) out[i] = BfloatToFloat(Load<uint16_t>(row + 2 * i));
      break;
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
    case TensorType::kQ6_K:
      for (int64_t b = 0; b < values / kSuperBlock; ++b)
        ReadKBlock(type, row + b * InfoOf(type).block_bytes, out + b * kSuperBlock);
      break;
    default: {
      const int64_t block_bytes = InfoOf(type).block_bytes;
      for (int64_t b = 0; b < values / kBlock; ++b)
        ReadBlock(type, row + b * block_bytes, out + b * kBlock);
    }
  }
  for (int64_t i = 0; i < values; ++i) {
    if (!std::isfinite(out[i])) return false;
  }
  return true;
}

bool ReadRowCanonical(TensorType type, const uint8_t* row, int64_t values, void* out,
                      float* scratch) {
  const int64_t groups = values / kGroup;
  const int64_t block_bytes = InfoOf(type).block_bytes;
  if (type == TensorType::kQ4_0 || type == TensorType::kQ4_1) {
    for (int64_t g = 0; g < groups; ++g) {
      if (!ReadQ4Block(type, row + g * block_bytes, static_cast<Q4Group*>(out) + g)) return false;
    }
    return true;
  }
  if (type == TensorType::kQ4_K) {
    constexpr int64_t kSubBlocks = kSuperBlock / kGroup;
    for (int64_t g = 0; g < groups; ++g) {
      const Q4SubBlock sub_block =
          ReadQ4KSubBlock(row + g / kSubBlocks * block_bytes, static_cast<int32_t>(g % kSubBlocks));
      if (!std::isfinite(sub_block.d) || !std::isfinite(sub_block.m)) return false;
      auto* group = static_cast<Q4Group*>(out) + g;
      std::memcpy(group->q, sub_block.q, sizeof(group->q));
      OffsetGroup(sub_block.d, sub_block.m, group);
    }
    return true;
  }
  if (type == TensorType::kQ8_0 || type == TensorType::kQ5_0) {
    for (int64_t g = 0; g < groups; ++g) {
      if (!ReadQ8Block(type, row + g * block_bytes, static_cast<Q8Group*>(out) + g)) return false;
    }
    return true;
  }
  if (!ReadRowAsF32(type, row, values, scratch)) return false;
  for (int64_t g = 0; g < groups; ++g)
    QuantizeGroup(scratch + g * kGroup, static_cast<Q8Group*>(out) + g);
  return true;
}

}  // namespace fairlane
