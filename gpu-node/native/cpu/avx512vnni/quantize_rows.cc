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
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    const __m512 inverse = _mm512_set1_ps(largest > 0.0F ? 127.0F / largest : 0.0F);
    // The default rounding mode of the conversion is to nearest even.
    const __m512i qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, inverse));
    const __m512i qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, inverse));
    auto* q = reinterpret_cast<__m128i*>(args->q + group * kGroup);
    _mm_storeu_si128(q, _mm512_cvtsepi32_epi8(qa));
    _mm_storeu_si128(q + 1, _mm512_cvtsepi32_epi8(qb));
    args->scale[group] = largest / 127.0F;
    args->sum[group] = _mm512_reduce_add_epi32(_mm512_add_epi32(qa, qb));
  }
}

}  // namespace fairlane::avx512vnni
