// Owns the reading of k-quants, blocks of 256 values whose sub-blocks have quantised scales: back
// to f32, and Q4_K's sub-blocks as the 32-value groups that they are.
#pragma once

#include <cstdint>

#include "core/manifest.h"

namespace fairlane {

inline constexpr int32_t kSuperBlock = 256;

inline bool IsKQuant(TensorType type) {
  return type == TensorType::kQ4_K || type == TensorType::kQ5_K || type == TensorType::kQ6_K;
}

// De-quantises one block of 256 values of a k-quant.
void ReadKBlock(TensorType type, const uint8_t* block, float* out);

// A sub-block of 32 values of Q4_K: value j is d * q + m, its q in the order of a Q4Group.
struct Q4SubBlock {
  float d;
  float m;
  uint8_t q[16];
};
Q4SubBlock ReadQ4KSubBlock(const uint8_t* block, int32_t index);

}  // namespace fairlane
