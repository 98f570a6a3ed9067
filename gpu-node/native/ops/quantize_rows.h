// Contract of the dynamic quantisation of activations: per group of kGroup values of a row, scale =
// max|x| / 127 and q = round-half-even(x / scale) in -127 .. 127; a group of zeros gets scale 0.
#pragma once

#include <cstdint>

namespace fairlane {

struct QuantizeArgs {
  const float* x;  // [tokens, k]
  int32_t k;       // a multiple of kGroup
  int8_t* q;       // [tokens, k]
  float* scale;    // [tokens, k / kGroup]
  int32_t* sum;    // [tokens, k / kGroup], sum of the group's q
};

// Quantises rows [token_begin, token_end).
using QuantizeRowsFn = void (*)(const QuantizeArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
