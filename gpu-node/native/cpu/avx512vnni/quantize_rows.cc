// Dynamic quantisation of activations, a group of 32 in two registers, alone or right after the
// norm or the gated activation.
#include <immintrin.h>

#include <cmath>

#include "cpu/avx512vnni/exp.h"
#include "cpu/avx512vnni/ops.h"

namespace fairlane::avx512vnni {
namespace {

inline void QuantizeGroup(__m512 a, __m512 b, ActivationGroup* group) {
  const __m512 none = _mm512_setzero_ps();
  const float low = _mm512_reduce_min_ps(_mm512_min_ps(_mm512_min_ps(a, b), none));
  const float high = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(a, b), none));
  const float range = high - low;
  const bool is_zero = !(range > kQuantizeMinRange && range < kQuantizeMaxRange);
  const float inverse = is_zero ? 0.0F : kQuantizeLevels / range;
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
  auto* q = reinterpret_cast<__m128i*>(group->q);
  _mm_storeu_si128(q, _mm512_cvtsepi32_epi8(qa));
  _mm_storeu_si128(q + 1, _mm512_cvtsepi32_epi8(qb));
  const int32_t sum = _mm512_reduce_add_epi32(_mm512_add_epi32(qa, qb));
  group->scale = is_zero ? 0.0F : range / kQuantizeLevels;
  group->minus_two_zero = static_cast<int16_t>(-2 * zero);
  group->total = static_cast<int16_t>(sum - kGroup * zero);
}

inline __m512 Gated(const float* gate, const float* up) {
  const __m512 g = _mm512_loadu_ps(gate);
  const __m512 e = Exp(_mm512_sub_ps(_mm512_setzero_ps(), g));
  const __m512 silu = _mm512_div_ps(g, _mm512_add_ps(_mm512_set1_ps(1.0F), e));
  return _mm512_mul_ps(silu, _mm512_loadu_ps(up));
}

}  // namespace

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + token * args->stride;
    ActivationGroup* group = args->groups + token * args->group_stride;
    for (int32_t i = 0; i < args->k; i += kGroup, ++group)
      QuantizeGroup(_mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16), group);
  }
}

void NormQuantize(const NormQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + token * args->width;
    ActivationGroup* group = args->groups + token * (args->width / kGroup);
    __m512 squares[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int32_t i = 0; i < args->width; i += kGroup) {
      const __m512 a = _mm512_loadu_ps(x + i);
      const __m512 b = _mm512_loadu_ps(x + i + 16);
      squares[0] = _mm512_fmadd_ps(a, a, squares[0]);
      squares[1] = _mm512_fmadd_ps(b, b, squares[1]);
    }
    const float sum = _mm512_reduce_add_ps(_mm512_add_ps(squares[0], squares[1]));
    const float mean = sum / static_cast<float>(args->width);
    const __m512 factor = _mm512_set1_ps(1.0F / std::sqrt(mean + args->eps));
    for (int32_t i = 0; i < args->width; i += kGroup, ++group) {
      const __m512 a = _mm512_mul_ps(_mm512_loadu_ps(x + i), factor);
      const __m512 b = _mm512_mul_ps(_mm512_loadu_ps(x + i + 16), factor);
      QuantizeGroup(_mm512_mul_ps(a, _mm512_loadu_ps(args->weight + i)),
                    _mm512_mul_ps(b, _mm512_loadu_ps(args->weight + i + 16)), group);
    }
  }
}

void SiluQuantize(const SiluQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    const float* gate = args->gate + token * args->stride;
    const float* up = args->up + token * args->stride;
    ActivationGroup* group = args->groups + token * args->group_stride;
    for (int32_t i = 0; i < args->k; i += kGroup, ++group)
      QuantizeGroup(Gated(gate + i, up + i), Gated(gate + i + 16, up + i + 16), group);
  }
}

}  // namespace fairlane::avx512vnni
