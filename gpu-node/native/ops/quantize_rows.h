// Contract of the dynamic quantisation of activations, per group of kGroup values of a row: x is
// about scale * (q - zero). The range from the group's smallest to its largest value, 0 included,
// is spread over q in -127 .. 127, so a one-sided group wastes no level; a group of zeros gets
// scale 0.
#pragma once

#include <cstdint>

namespace fairlane {

inline constexpr float kQuantizeLevels = 254.0F;  // steps between the ends of a group's range
// Outside these ranges a group counts as zeros: too small to divide by, or not finite (only weights
// of a damaged file lead there).
inline constexpr float kQuantizeMinRange = 1e-30F;
inline constexpr float kQuantizeMaxRange = 1e38F;
inline constexpr int32_t kQuantizeMax = 127;

struct QuantizeArgs {
  const float* x;  // [tokens, k]
  int32_t k;       // a multiple of kGroup
  int8_t* q;       // [tokens, k]
  float* scale;    // [tokens, k / kGroup]
  float* zero;     // [tokens, k / kGroup], an integer in -127 .. 127
  int32_t* sum;    // [tokens, k / kGroup], sum of the group's q
  float* total;    // [tokens, k / kGroup], scale * (sum - kGroup * zero): what the group adds up to
};

// Quantises rows [token_begin, token_end).
using QuantizeRowsFn = void (*)(const QuantizeArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
