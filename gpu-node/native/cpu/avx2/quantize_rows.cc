// Dynamic quantisation of activations, a group of 32 in four registers.
#include <immintrin.h>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"

namespace fairlane::avx2 {

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const int32_t groups = args->k / kGroup;
  const int64_t end = static_cast<int64_t>(token_end) * groups;
  for (int64_t group = static_cast<int64_t>(token_begin) * groups; group < end; ++group) {
    const float* x = args->x + group * kGroup;
    __m256 v[4];
    __m256 smallest = _mm256_setzero_ps();
    __m256 largest = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_loadu_ps(x + i * 8);
      smallest = _mm256_min_ps(smallest, v[i]);
      largest = _mm256_max_ps(largest, v[i]);
    }
    const float low = -ReduceMax(_mm256_sub_ps(_mm256_setzero_ps(), smallest));
    const float range = ReduceMax(largest) - low;
    const bool is_zero = !(range > kQuantizeMinRange && range < kQuantizeMaxRange);
    const float inverse = is_zero ? 0.0F : kQuantizeLevels / range;
    const float scale = is_zero ? 0.0F : range / kQuantizeLevels;
    // The default rounding mode of the conversions is to nearest even.
    const int32_t low_step = is_zero ? 0 : _mm_cvtss_si32(_mm_set_ss(low * inverse));
    const int32_t zero = -kQuantizeMax - low_step;
    __m256i q[4];
    for (int i = 0; i < 4; ++i) {
      const __m256i steps = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
      const __m256i q_or_more = _mm256_add_epi32(steps, _mm256_set1_epi32(zero));
      // The lower bound matters for NaN only.
      q[i] = _mm256_max_epi32(_mm256_min_epi32(q_or_more, _mm256_set1_epi32(kQuantizeMax)),
                              _mm256_set1_epi32(-kQuantizeMax));
    }
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
    args->scale[group] = scale;
    args->zero[group] = static_cast<float>(zero);
    args->sum[group] = sum;
    args->total[group] = scale * static_cast<float>(sum - kGroup * zero);
  }
}

}  // namespace fairlane::avx2
