// Owns the layout of a packed panel of 32 rows for AVX2.
//
// Q4: two halves of 16 rows. Per half, group by group of 32 k: scales [16] f16, the pairs {64 * sum
// of q, offset} [16] x 2 int16, then for each quad of 4 k 32 bytes, whose low nibbles are the quad
// of rows 0-7 of the half and whose high nibbles that of rows 8-15.
//
// Q8: four quarters of 8 rows. Per quarter, group by group: scales [8] f16, sums of q [8] int16,
// then for each quad 8 rows x 4 signed bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/gemm.h"

namespace fairlane::avx2 {

inline constexpr int32_t kQuadsPerGroup = kGroup / 4;
inline constexpr int32_t kQ4Rows = 16;  // rows of a part
inline constexpr int32_t kQ8Rows = 8;
inline constexpr size_t kQ4PairsAt = 32;  // offset in a group
inline constexpr size_t kQ4QuadsAt = 96;
inline constexpr size_t kQ8SumsAt = 16;
inline constexpr size_t kQ8QuadsAt = 32;
inline constexpr size_t kQ4GroupBytes = kQ4QuadsAt + size_t{kQuadsPerGroup} * 32;
inline constexpr size_t kQ8GroupBytes = kQ8QuadsAt + size_t{kQuadsPerGroup} * 32;

inline int32_t PartRows(WeightFormat format) { return format == kWeightQ4 ? kQ4Rows : kQ8Rows; }
inline size_t GroupBytes(WeightFormat format) {
  return format == kWeightQ4 ? kQ4GroupBytes : kQ8GroupBytes;
}

inline size_t PartBytes(WeightFormat format, int32_t k) {
  return GroupBytes(format) * static_cast<size_t>(k / kGroup);
}

// The part that holds `row` of a panel.
inline uint8_t* PartOf(const GemmWeights& weights, int32_t panel, int32_t row) {
  const int32_t parts_per_panel = kPanelRows / PartRows(weights.format);
  const int64_t part = int64_t{panel} * parts_per_panel + row / PartRows(weights.format);
  return static_cast<uint8_t*>(weights.data) +
         static_cast<size_t>(part) * PartBytes(weights.format, weights.k);
}

}  // namespace fairlane::avx2
