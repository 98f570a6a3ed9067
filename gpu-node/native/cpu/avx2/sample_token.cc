// The two passes over all logits, 8 at a time; the few past the last 8 one by one.
#include <immintrin.h>

#include <cmath>
#include <limits>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"
#include "cpu/token_sampler.h"

namespace fairlane::avx2 {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Eight logits, minus infinity for NaN.
inline __m256 LoadLogits(const float* logits) {
  const __m256 v = _mm256_loadu_ps(logits);
  return _mm256_blendv_ps(v, _mm256_set1_ps(kMinusInfinity), _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
}

struct Passes {
  static float Max(const float* logits, int32_t vocab, int32_t* id) {
    __m256 best = _mm256_set1_ps(kMinusInfinity);
    int32_t i = 0;
    for (; i + 8 <= vocab; i += 8) best = _mm256_max_ps(best, LoadLogits(logits + i));
    float max = ReduceMax(best);
    for (; i < vocab; ++i) max = std::fmax(max, OrMinusInfinity(logits[i]));
    *id = 0;
    for (i = 0; i < vocab; ++i) {
      if (logits[i] != max) continue;
      *id = i;
      break;
    }
    return max;
  }

  static double SumExp(const float* logits, int32_t vocab, float max) {
    __m256d low = _mm256_setzero_pd();
    __m256d high = _mm256_setzero_pd();
    int32_t i = 0;
    for (; i + 8 <= vocab; i += 8) {
      const __m256 e = Exp(_mm256_sub_ps(LoadLogits(logits + i), _mm256_set1_ps(max)));
      low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(e)));
      high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(e, 1)));
    }
    alignas(32) double sums[4];
    _mm256_store_pd(sums, _mm256_add_pd(low, high));
    double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (; i < vocab; ++i) sum += static_cast<double>(std::exp(OrMinusInfinity(logits[i]) - max));
    return sum;
  }
};

}  // namespace

void SampleToken(SampleTokenArgs* args) { SampleTokenWith<Passes>(args); }

}  // namespace fairlane::avx2
