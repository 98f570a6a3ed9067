// Contract of the bias of a linear layer: adds the same vector to every token's row, in place.
#pragma once

#include <cstdint>

namespace fairlane {

struct AddBiasArgs {
  float* x;           // [tokens, width]
  const float* bias;  // [width]
  int32_t width;      // a multiple of 8
};

using AddBiasFn = void (*)(const AddBiasArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
