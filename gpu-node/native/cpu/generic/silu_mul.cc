// Gated activation in plain C++.
#include <cmath>

#include "cpu/generic/ops.h"

namespace fairlane::generic {

void SiluMul(const SiluMulArgs* args, int32_t token_begin, int32_t token_end) {
  for (int32_t token = token_begin; token < token_end; ++token) {
    const float* gate = args->gate_up + static_cast<int64_t>(token) * 2 * args->width;
    const float* up = gate + args->width;
    float* y = args->y + static_cast<int64_t>(token) * args->width;
    for (int32_t i = 0; i < args->width; ++i) y[i] = gate[i] / (1.0F + std::exp(-gate[i])) * up[i];
  }
}

}  // namespace fairlane::generic
