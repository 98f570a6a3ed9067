// Owns the layout of a packed panel of 32 rows for AVX-512 VNNI, group by group of 32 k.
//
// Q8: scales [32] f16, then for each quad of 4 k: 32 rows x 4 bytes of q + 128 (two registers:
// rows 0-15, rows 16-31).
//
// Q4: scales [32] f16, offsets [32] int16, then for each quad 64 bytes, whose low nibbles are the
// quad of rows 0-15 and whose high nibbles that of rows 16-31.
//
// After the last panel stands what kernels for few tokens recompute instead, because reading
// weights is what bounds those: per panel and group, Q8: the sums of q + 128, [32] uint16; Q4: the
// pairs {64 * sum of q, offset}, [32] x 2 int16.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/gemm.h"

namespace fairlane::avx512vnni {

inline constexpr int32_t kQuadsPerGroup = kGroup / 4;
inline constexpr size_t kScaleBytes = kPanelRows * sizeof(uint16_t);
inline constexpr size_t kQ8WeightsAt = kScaleBytes;  // offsets in a group
inline constexpr size_t kQ4WeightsAt = 2 * kScaleBytes;
inline constexpr size_t kQ8GroupBytes = kQ8WeightsAt + size_t{kGroup} * kPanelRows;
inline constexpr size_t kQ4GroupBytes = kQ4WeightsAt + size_t{kGroup} * kPanelRows / 2;
static_assert(kQ8GroupBytes % 64 == 0 && kQ4GroupBytes % 64 == 0);
inline constexpr size_t kQ8SumBytes = kPanelRows * sizeof(uint16_t);
inline constexpr size_t kQ4SumBytes = kPanelRows * 2 * sizeof(int16_t);

inline size_t GroupBytes(WeightFormat format) {
  return format == kWeightQ4 ? kQ4GroupBytes : kQ8GroupBytes;
}

inline size_t SumBytes(WeightFormat format) {
  return format == kWeightQ4 ? kQ4SumBytes : kQ8SumBytes;
}

inline size_t PanelBytes(WeightFormat format, int32_t k) {
  return GroupBytes(format) * static_cast<size_t>(k / kGroup);
}

inline uint8_t* PanelOf(const GemmWeights& weights, int32_t panel) {
  return static_cast<uint8_t*>(weights.data) +
         static_cast<size_t>(panel) * PanelBytes(weights.format, weights.k);
}

inline uint8_t* SumsOf(const GemmWeights& weights, int32_t panel) {
  const size_t groups = static_cast<size_t>(panel) * static_cast<size_t>(weights.k / kGroup);
  return PanelOf(weights, PanelCount(weights.rows)) + groups * SumBytes(weights.format);
}

}  // namespace fairlane::avx512vnni
