// Contract of the dynamic quantisation of activations, per group of kGroup values of a row, by
// itself or right after the op that makes the values (norm, gated activation), which then needs no
// memory for them. The range from a group's smallest to its largest value, 0 included, is spread
// over q in -127 .. 127, so a one-sided group wastes no level; a group of zeros gets scale 0.
#pragma once

#include <cstdint>

#include "ops/gemm.h"

namespace fairlane {

inline constexpr float kQuantizeLevels = 254.0F;  // steps between the ends of a group's range
// Outside these ranges a group counts as zeros: too small to divide by, or not finite (only weights
// of a damaged file lead there).
inline constexpr float kQuantizeMinRange = 1e-30F;
inline constexpr float kQuantizeMaxRange = 1e38F;
inline constexpr int32_t kQuantizeMax = 127;

// Token t's values start at x + t * stride, its groups at groups + t * group_stride.
struct QuantizeArgs {
  const float* x;
  int64_t stride;
  int32_t k;  // a multiple of kGroup
  ActivationGroup* groups;
  int64_t group_stride;
};

// The root-mean-square norm of rms_norm.h, quantised.
struct NormQuantizeArgs {
  const float* x;       // [tokens, width]
  const float* weight;  // [width]
  int32_t width;        // a multiple of kGroup
  float eps;
  ActivationGroup* groups;  // [tokens, width / kGroup]
};

// The gated activation of silu_mul.h on `k` columns, quantised.
struct SiluQuantizeArgs {
  const float* gate;  // token t's at gate + t * stride
  const float* up;    // likewise
  int64_t stride;
  int32_t k;  // a multiple of kGroup
  ActivationGroup* groups;
  int64_t group_stride;
};

using QuantizeRowsFn = void (*)(const QuantizeArgs* args, int32_t token_begin, int32_t token_end);
using NormQuantizeFn = void (*)(const NormQuantizeArgs* args, int32_t token_begin,
                                int32_t token_end);
using SiluQuantizeFn = void (*)(const SiluQuantizeArgs* args, int32_t token_begin,
                                int32_t token_end);

}  // namespace fairlane
