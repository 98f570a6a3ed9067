// Bias in plain C++; other CPU plug-ins compile this loop with their own flags.
#include "cpu/generic/ops.h"

namespace fairlane::generic {

void AddBias(const AddBiasArgs* args, int32_t token_begin, int32_t token_end) {
  const float* __restrict bias = args->bias;
  for (int32_t token = token_begin; token < token_end; ++token) {
    float* __restrict x = args->x + static_cast<int64_t>(token) * args->width;
    for (int32_t i = 0; i < args->width; ++i) x[i] += bias[i];
  }
}

}  // namespace fairlane::generic
