// Owns the reading of tensor rows in the types that model files use: back to f32, or into the
// canonical rows that backends pack (ops/gemm.h). Exact where the types allow it: minima of
// Q4_1 are rounded to 1/128 of the block's scale, and float sources become Q8 groups.
#pragma once

#include <cstdint>

#include "core/manifest.h"
#include "ops/gemm.h"

namespace fairlane {

// Whether rows of this type can be read.
bool IsSupported(TensorType type);

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
