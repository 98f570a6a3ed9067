// The two passes over all logits in plain C++.
#include "cpu/generic/ops.h"
#include "cpu/token_sampler.h"

namespace fairlane::generic {
namespace {

struct Passes {
  static float Max(const float* logits, int32_t vocab, int32_t* id) {
    float max = OrMinusInfinity(logits[0]);
    *id = 0;
    for (int32_t i = 1; i < vocab; ++i) {
      if (logits[i] > max) {
        max = logits[i];
        *id = i;
      }
    }
    return max;
  }
  static double SumExp(const float* logits, int32_t vocab, float max) {
    double sum = 0.0;
    for (int32_t i = 0; i < vocab; ++i)
      sum += static_cast<double>(std::exp(OrMinusInfinity(logits[i]) - max));
    return sum;
  }
};

}  // namespace

void SampleToken(SampleTokenArgs* args) { SampleTokenWith<Passes>(args); }

}  // namespace fairlane::generic
