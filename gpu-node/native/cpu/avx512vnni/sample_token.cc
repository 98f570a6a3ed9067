// The two passes over all logits, 16 at a time.
#include <immintrin.h>

#include <limits>

#include "cpu/avx512vnni/exp.h"
#include "cpu/avx512vnni/ops.h"
#include "cpu/token_sampler.h"

namespace fairlane::avx512vnni {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

inline __mmask16 MaskAt(int32_t i, int32_t vocab) {
  return static_cast<__mmask16>(vocab - i >= 16 ? 0xFFFF : (1U << (vocab - i)) - 1U);
}

// Logits i .. i + 15; minus infinity past the end and for NaN.
inline __m512 LoadLogits(const float* logits, int32_t i, int32_t vocab) {
  const __m512 v =
      _mm512_mask_loadu_ps(_mm512_set1_ps(kMinusInfinity), MaskAt(i, vocab), logits + i);
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_mask_mov_ps(v, nan, _mm512_set1_ps(kMinusInfinity));
}

struct Passes {
  static float Max(const float* logits, int32_t vocab, int32_t* id) {
    __m512 best = _mm512_set1_ps(kMinusInfinity);
    for (int32_t i = 0; i < vocab; i += 16)
      best = _mm512_max_ps(best, LoadLogits(logits, i, vocab));
    const float max = _mm512_reduce_max_ps(best);
    *id = 0;
    for (int32_t i = 0; i < vocab; i += 16) {
      const __mmask16 equal = _mm512_mask_cmp_ps_mask(
          MaskAt(i, vocab), LoadLogits(logits, i, vocab), _mm512_set1_ps(max), _CMP_EQ_OQ);
      if (equal == 0) continue;
      *id = i + __builtin_ctz(equal);
      break;
    }
    return max;
  }

  static double SumExp(const float* logits, int32_t vocab, float max) {
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
    for (int32_t i = 0; i < vocab; i += 16) {
      const __m512 e = Exp(_mm512_sub_ps(LoadLogits(logits, i, vocab), _mm512_set1_ps(max)));
      low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(e)));
      high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(e, 1)));
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
  }
};

}  // namespace

void SampleToken(SampleTokenArgs* args) { SampleTokenWith<Passes>(args); }

}  // namespace fairlane::avx512vnni
