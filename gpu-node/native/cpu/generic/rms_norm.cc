// Root-mean-square norm; the sum of squares is kept in double, so the oracle adds no error of its
// own.
#include <cmath>

#include "cpu/generic/ops.h"

namespace fairlane::generic {

void RmsNorm(const RmsNormArgs* args, int32_t token_begin, int32_t token_end) {
  for (int32_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + static_cast<int64_t>(token) * args->width;
    float* y = args->y + static_cast<int64_t>(token) * args->width;
    double squares = 0.0;
    for (int32_t i = 0; i < args->width; ++i)
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const auto factor =
        static_cast<float>(1.0 / std::sqrt(squares / args->width + static_cast<double>(args->eps)));
    for (int32_t i = 0; i < args->width; ++i) y[i] = x[i] * factor * args->weight[i];
  }
}

}  // namespace fairlane::generic
