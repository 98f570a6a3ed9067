// Contract of the root-mean-square norm of each head by itself, in place: within a head,
// x = x / sqrt(mean(x^2) + eps) * weight. All heads share one weight.
#pragma once

#include <cstdint>

namespace fairlane {

struct HeadNormArgs {
  float* x;  // token t's heads start at x + t * stride; [heads, head_dim] there
  int64_t stride;
  int32_t heads;
  int32_t head_dim;     // a multiple of 8
  const float* weight;  // [head_dim]
  float eps;
};

using HeadNormFn = void (*)(const HeadNormArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
