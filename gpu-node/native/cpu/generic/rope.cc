// Rotary embedding in plain C++; other CPU plug-ins compile this loop with their own flags.
#include "cpu/generic/ops.h"

namespace fairlane::generic {

void Rope(const RopeArgs* args, int32_t token_begin, int32_t token_end) {
  const int32_t half = args->head_dim / 2;
  for (int32_t token = token_begin; token < token_end; ++token) {
    const float* cosine = args->cosine + static_cast<int64_t>(token) * half;
    const float* sine = args->sine + static_cast<int64_t>(token) * half;
    for (int32_t head = 0; head < args->heads; ++head) {
      float* __restrict low =
          args->x + token * args->stride + static_cast<int64_t>(head) * args->head_dim;
      float* __restrict high = low + half;
      for (int32_t i = 0; i < half; ++i) {
        const float a = low[i];
        const float b = high[i];
        low[i] = a * cosine[i] - b * sine[i];
        high[i] = b * cosine[i] + a * sine[i];
      }
    }
  }
}

}  // namespace fairlane::generic
