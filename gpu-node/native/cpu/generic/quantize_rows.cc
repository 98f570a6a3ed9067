// Dynamic quantisation of activations in plain C++.
#include <cmath>

#include "cpu/generic/ops.h"
#include "ops/gemm.h"

namespace fairlane::generic {

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const int32_t groups = args->k / kGroup;
  const int64_t end = static_cast<int64_t>(token_end) * groups;
  for (int64_t group = static_cast<int64_t>(token_begin) * groups; group < end; ++group) {
    const float* x = args->x + group * kGroup;
    float largest = 0.0F;
    for (int32_t i = 0; i < kGroup; ++i) largest = std::fmax(largest, std::fabs(x[i]));
    const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
    int32_t sum = 0;
    for (int32_t i = 0; i < kGroup; ++i) {
      const auto q = static_cast<int32_t>(std::nearbyint(x[i] * inverse));
      args->q[group * kGroup + i] = static_cast<int8_t>(q);
      sum += q;
    }
    args->scale[group] = largest / 127.0F;
    args->sum[group] = sum;
  }
}

}  // namespace fairlane::generic
