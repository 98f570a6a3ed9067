// Dynamic quantisation of activations, a group of 32 in four registers.
#include <immintrin.h>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"

namespace fairlane::avx2 {

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  const int32_t groups = args->k / kGroup;
  const int64_t end = static_cast<int64_t>(token_end) * groups;
  for (int64_t group = static_cast<int64_t>(token_begin) * groups; group < end; ++group) {
    const float* x = args->x + group * kGroup;
    __m256 v[4];
    __m256 magnitude = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_loadu_ps(x + i * 8);
      magnitude = _mm256_max_ps(magnitude, _mm256_andnot_ps(sign, v[i]));
    }
    const float largest = ReduceMax(magnitude);
    const __m256 inverse = _mm256_set1_ps(largest > 0.0F ? 127.0F / largest : 0.0F);
    __m256i q[4];
    for (int i = 0; i < 4; ++i)
      q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));  // to nearest even
    const __m256i sums =
        _mm256_add_epi32(_mm256_add_epi32(q[0], q[1]), _mm256_add_epi32(q[2], q[3]));
    // Packing works within 128-bit halves; the permutation puts the quads back in order.
    const __m256i words =
        _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(args->q + group * kGroup),
                        _mm256_permutevar8x32_epi32(words, order));
    alignas(32) int32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums);
    int32_t sum = 0;
    for (const int32_t lane : lanes) sum += lane;
    args->scale[group] = largest / 127.0F;
    args->sum[group] = sum;
  }
}

}  // namespace fairlane::avx2
