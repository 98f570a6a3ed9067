// Owns the reading of tensor rows in the types that model files use: back to f32, or into the
// canonical rows that backends pack (ops/gemm.h). Exact where the types allow it: minima of
// Q4_1 are rounded to 1/128 of the block's scale; a sub-block of Q4_K becomes a Q4 group, its scale
// rounded to f16 (2^-11 of a value, and the minimum as above); Q5_1, Q5_K, Q6_K and float sources
// become Q8 groups (half a step, 1/254 of the group's largest value).
#pragma once

#include <cstdint>

#include "core/manifest.h"
#include "ops/gemm.h"

namespace fairlane {

// The canonical int8 format nearest to a supported type.
WeightFormat Int8FormatOf(TensorType type);

size_t RowBytes(TensorType type, int64_t values);
size_t CanonicalRowBytes(WeightFormat format, int64_t values);

// De-quantises `values` values (whole blocks). False if a value is not finite.
bool ReadRowAsF32(TensorType type, const uint8_t* row, int64_t values, float* out);

// Writes a row of canonical groups; `scratch` holds `values` floats. False if a scale or value is
// not finite.
bool ReadRowCanonical(TensorType type, const uint8_t* row, int64_t values, void* out,
                      float* scratch);

}  // namespace fairlane
