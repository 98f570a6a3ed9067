// Contract of the root-mean-square norm: y = x / sqrt(mean(x^2) + eps) * weight, row by row.
#pragma once

#include <cstdint>

namespace fairlane {

struct RmsNormArgs {
  const float* x;       // [tokens, width]
  const float* weight;  // [width]
  float* y;             // [tokens, width], may be x
  int32_t width;        // a multiple of 32
  float eps;
};

using RmsNormFn = void (*)(const RmsNormArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
