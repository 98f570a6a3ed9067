// Dynamic quantisation of activations, a group of 32 in two registers.
#include <immintrin.h>

#include "cpu/avx512vnni/ops.h"

namespace fairlane::avx512vnni {

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const int32_t groups = args->k / kGroup;
  const int64_t end = static_cast<int64_t>(token_end) * groups;
  for (int64_t group = static_cast<int64_t>(token_begin) * groups; group < end; ++group) {
    const __m512 a = _mm512_loadu_ps(args->x + group * kGroup);
    const __m512 b = _mm512_loadu_ps(args->x + group * kGroup + 16);
    const __m512 none = _mm512_setzero_ps();
    const float low = _mm512_reduce_min_ps(_mm512_min_ps(_mm512_min_ps(a, b), none));
    const float high = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(a, b), none));
    const float range = high - low;
    const bool is_zero = !(range > kQuantizeMinRange && range < kQuantizeMaxRange);
    const float inverse = is_zero ? 0.0F : kQuantizeLevels / range;
    const float scale = is_zero ? 0.0F : range / kQuantizeLevels;
    // The default rounding mode of the conversions is to nearest even.
    const int32_t low_step = is_zero ? 0 : _mm_cvtss_si32(_mm_set_ss(low * inverse));
    const int32_t zero = -kQuantizeMax - low_step;
    const __m512i zeros = _mm512_set1_epi32(zero);
    const __m512i limit = _mm512_set1_epi32(kQuantizeMax);
    const __m512i steps_a = _mm512_cvtps_epi32(_mm512_mul_ps(a, _mm512_set1_ps(inverse)));
    const __m512i steps_b = _mm512_cvtps_epi32(_mm512_mul_ps(b, _mm512_set1_ps(inverse)));
    // The lower bound matters for NaN only.
    const __m512i floor = _mm512_set1_epi32(-kQuantizeMax);
    const __m512i qa =
        _mm512_max_epi32(_mm512_min_epi32(_mm512_add_epi32(steps_a, zeros), limit), floor);
    const __m512i qb =
        _mm512_max_epi32(_mm512_min_epi32(_mm512_add_epi32(steps_b, zeros), limit), floor);
    auto* q = reinterpret_cast<__m128i*>(args->q + group * kGroup);
    _mm_storeu_si128(q, _mm512_cvtsepi32_epi8(qa));
    _mm_storeu_si128(q + 1, _mm512_cvtsepi32_epi8(qb));
    const int32_t sum = _mm512_reduce_add_epi32(_mm512_add_epi32(qa, qb));
    args->scale[group] = scale;
    args->zero[group] = static_cast<float>(zero);
    args->sum[group] = sum;
    args->total[group] = scale * static_cast<float>(sum - kGroup * zero);
  }
}

}  // namespace fairlane::avx512vnni
