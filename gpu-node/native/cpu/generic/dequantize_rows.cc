// De-quantising of activations in plain C++, which compilers turn into vector instructions.
#include "cpu/generic/ops.h"

namespace fairlane::generic {

void DequantizeRows(const DequantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const int32_t groups = args->k / kGroup;
  for (int64_t token = token_begin; token < token_end; ++token) {
    const ActivationGroup* group = args->groups + token * groups;
    float* x = args->x + token * args->x_stride;
    for (int32_t g = 0; g < groups; ++g, ++group, x += kGroup) {
      const int32_t zero = -group->minus_two_zero / 2;
      for (int32_t i = 0; i < kGroup; ++i)
        x[i] = group->scale * static_cast<float>(group->q[i] - zero);
    }
  }
}

}  // namespace fairlane::generic
