// Dynamic quantisation of activations in plain C++.
#include <algorithm>
#include <cmath>

#include "cpu/generic/ops.h"
#include "ops/gemm.h"

namespace fairlane::generic {
namespace {

void QuantizeGroup(const float* x, ActivationGroup* group) {
  float low = 0.0F;
  float high = 0.0F;
  for (int32_t i = 0; i < kGroup; ++i) {
    low = std::fmin(low, x[i]);
    high = std::fmax(high, x[i]);
  }
  const float range = high - low;
  const bool is_zero = !(range > kQuantizeMinRange && range < kQuantizeMaxRange);
  const float inverse = is_zero ? 0.0F : kQuantizeLevels / range;
  const int32_t low_step = is_zero ? 0 : static_cast<int32_t>(std::nearbyint(low * inverse));
  const int32_t zero = -kQuantizeMax - low_step;
  int32_t total = 0;
  for (int32_t i = 0; i < kGroup; ++i) {
    const bool has_step = !is_zero && !std::isnan(x[i]);
    const int32_t step = has_step ? static_cast<int32_t>(std::nearbyint(x[i] * inverse)) : 0;
    const int32_t q = std::min(step + zero, kQuantizeMax);
    group->q[i] = static_cast<int8_t>(q);
    total += q - zero;
  }
  group->scale = is_zero ? 0.0F : range / kQuantizeLevels;
  group->minus_two_zero = static_cast<int16_t>(-2 * zero);
  group->total = static_cast<int16_t>(total);
}

}  // namespace

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    for (int32_t g = 0; g < args->k / kGroup; ++g) {
      QuantizeGroup(args->x + token * args->stride + int64_t{g} * kGroup,
                    args->groups + token * args->group_stride + g);
    }
  }
}

void NormQuantize(const NormQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const int32_t groups = args->width / kGroup;
  for (int64_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + token * args->width;
    double squares = 0.0;
    for (int32_t i = 0; i < args->width; ++i)
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const auto factor =
        static_cast<float>(1.0 / std::sqrt(squares / args->width + static_cast<double>(args->eps)));
    for (int32_t g = 0; g < groups; ++g) {
      float normed[kGroup];
      for (int32_t i = 0; i < kGroup; ++i)
        normed[i] = x[g * kGroup + i] * factor * args->weight[g * kGroup + i];
      QuantizeGroup(normed, args->groups + token * groups + g);
    }
  }
}

void SiluQuantize(const SiluQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    for (int32_t g = 0; g < args->k / kGroup; ++g) {
      const float* gate = args->gate + token * args->stride + int64_t{g} * kGroup;
      const float* up = args->up + token * args->stride + int64_t{g} * kGroup;
      float gated[kGroup];
      for (int32_t i = 0; i < kGroup; ++i) gated[i] = gate[i] / (1.0F + std::exp(-gate[i])) * up[i];
      QuantizeGroup(gated, args->groups + token * args->group_stride + g);
    }
  }
}

}  // namespace fairlane::generic
