// Contract of rotary position embedding in half-split form: within a head, elements i and i +
// head_dim / 2 are the pair that is turned by the token's angle i. Angles come as tables of cosines
// and sines per token.
#pragma once

#include <cstdint>

namespace fairlane {

struct RopeArgs {
  float* x;  // token t's heads start at x + t * stride; [heads, head_dim] there, turned in place
  int64_t stride;
  int32_t heads;
  int32_t head_dim;     // a multiple of 8
  const float* cosine;  // [tokens, head_dim / 2]
  const float* sine;    // [tokens, head_dim / 2]
};

using RopeFn = void (*)(const RopeArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
