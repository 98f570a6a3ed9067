// Dynamic quantisation of activations in plain C++.
#include <algorithm>
#include <cmath>

#include "cpu/generic/ops.h"
#include "ops/gemm.h"

namespace fairlane::generic {

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const int32_t groups = args->k / kGroup;
  const int64_t end = static_cast<int64_t>(token_end) * groups;
  for (int64_t group = static_cast<int64_t>(token_begin) * groups; group < end; ++group) {
    const float* x = args->x + group * kGroup;
    float low = 0.0F;
    float high = 0.0F;
    for (int32_t i = 0; i < kGroup; ++i) {
      low = std::fmin(low, x[i]);
      high = std::fmax(high, x[i]);
    }
    const float range = high - low;
    const bool is_zero = !(range > kQuantizeMinRange && range < kQuantizeMaxRange);
    const float inverse = is_zero ? 0.0F : kQuantizeLevels / range;
    const float scale = is_zero ? 0.0F : range / kQuantizeLevels;
    const int32_t low_step = is_zero ? 0 : static_cast<int32_t>(std::nearbyint(low * inverse));
    const int32_t zero = -kQuantizeMax - low_step;
    int32_t sum = 0;
    for (int32_t i = 0; i < kGroup; ++i) {
      const bool has_step = !is_zero && !std::isnan(x[i]);
      const int32_t step = has_step ? static_cast<int32_t>(std::nearbyint(x[i] * inverse)) : 0;
      const int32_t q = std::min(step + zero, kQuantizeMax);
      args->q[group * kGroup + i] = static_cast<int8_t>(q);
      sum += q;
    }
    args->scale[group] = scale;
    args->zero[group] = static_cast<float>(zero);
    args->sum[group] = sum;
    args->total[group] = scale * static_cast<float>(sum - kGroup * zero);
  }
}

}  // namespace fairlane::generic
