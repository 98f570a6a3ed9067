// Contract of the gated activation: y = gate / (1 + exp(-gate)) * up.
#pragma once

#include <cstdint>

namespace fairlane {

struct SiluMulArgs {
  const float* gate_up;  // [tokens, 2 * width]: gate, then up
  float* y;              // [tokens, width]
  int32_t width;         // a multiple of 32
};

using SiluMulFn = void (*)(const SiluMulArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
