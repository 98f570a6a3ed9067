// Root-mean-square norm of single heads in plain C++; other CPU plug-ins compile this loop with
// their own flags. Eight sums in double let the compiler use vectors without reordering, so every
// plug-in computes the same bits.
#include <cmath>

#include "cpu/generic/ops.h"

namespace fairlane::generic {
namespace {

constexpr int32_t kLanes = 8;

void NormHead(float* x, const HeadNormArgs& args) {
  double squares[kLanes] = {};
  for (int32_t i = 0; i < args.head_dim; i += kLanes) {
    for (int32_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(x[i + lane]);
      squares[lane] += value * value;
    }
  }
  double sum = 0.0;
  for (const double lane : squares) sum += lane;
  const auto factor =
      static_cast<float>(1.0 / std::sqrt(sum / args.head_dim + static_cast<double>(args.eps)));
  for (int32_t i = 0; i < args.head_dim; ++i) x[i] = x[i] * factor * args.weight[i];
}

}  // namespace

void HeadNorm(const HeadNormArgs* args, int32_t token_begin, int32_t token_end) {
  for (int32_t token = token_begin; token < token_end; ++token) {
    float* heads = args->x + token * args->stride;
    for (int32_t head = 0; head < args->heads; ++head)
      NormHead(heads + static_cast<int64_t>(head) * args->head_dim, *args);
  }
}

}  // namespace fairlane::generic
