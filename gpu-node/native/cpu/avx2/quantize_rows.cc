// Dynamic quantisation of activations, a group of 32 in four registers, alone or right after the
// norm or the gated activation.
#include <immintrin.h>

#include <cmath>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"

namespace fairlane::avx2 {
namespace {

constexpr int kRegisters = kGroup / 8;

inline void QuantizeGroup(const __m256* v, ActivationGroup* group) {
  __m256 smallest = _mm256_setzero_ps();
  __m256 largest = _mm256_setzero_ps();
  for (int i = 0; i < kRegisters; ++i) {
    smallest = _mm256_min_ps(smallest, v[i]);
    largest = _mm256_max_ps(largest, v[i]);
  }
  const float low = -ReduceMax(_mm256_sub_ps(_mm256_setzero_ps(), smallest));
  const float range = ReduceMax(largest) - low;
  const bool is_zero = !(range > kQuantizeMinRange && range < kQuantizeMaxRange);
  const float inverse = is_zero ? 0.0F : kQuantizeLevels / range;
  // The default rounding mode of the conversions is to nearest even.
  const int32_t low_step = is_zero ? 0 : _mm_cvtss_si32(_mm_set_ss(low * inverse));
  const int32_t zero = -kQuantizeMax - low_step;
  __m256i q[kRegisters];
  for (int i = 0; i < kRegisters; ++i) {
    const __m256i steps = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
    const __m256i q_or_more = _mm256_add_epi32(steps, _mm256_set1_epi32(zero));
    // The lower bound matters for NaN only.
    q[i] = _mm256_max_epi32(_mm256_min_epi32(q_or_more, _mm256_set1_epi32(kQuantizeMax)),
                            _mm256_set1_epi32(-kQuantizeMax));
  }
  const __m256i sums = _mm256_add_epi32(_mm256_add_epi32(q[0], q[1]), _mm256_add_epi32(q[2], q[3]));
  // Packing works within 128-bit halves; the permutation puts the quads back in order.
  const __m256i words =
      _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(group->q),
                      _mm256_permutevar8x32_epi32(words, order));
  alignas(32) int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums);
  int32_t sum = 0;
  for (const int32_t lane : lanes) sum += lane;
  group->scale = is_zero ? 0.0F : range / kQuantizeLevels;
  group->minus_two_zero = static_cast<int16_t>(-2 * zero);
  group->total = static_cast<int16_t>(sum - kGroup * zero);
}

inline __m256 Gated(const float* gate, const float* up) {
  const __m256 g = _mm256_loadu_ps(gate);
  const __m256 e = Exp(_mm256_sub_ps(_mm256_setzero_ps(), g));
  const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(_mm256_set1_ps(1.0F), e));
  return _mm256_mul_ps(silu, _mm256_loadu_ps(up));
}

}  // namespace

void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + token * args->stride;
    ActivationGroup* group = args->groups + token * args->group_stride;
    for (int32_t i = 0; i < args->k; i += kGroup, ++group) {
      __m256 v[kRegisters];
      for (int j = 0; j < kRegisters; ++j) v[j] = _mm256_loadu_ps(x + i + j * 8);
      QuantizeGroup(v, group);
    }
  }
}

void NormQuantize(const NormQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + token * args->width;
    ActivationGroup* group = args->groups + token * (args->width / kGroup);
    __m256 squares = _mm256_setzero_ps();
    for (int32_t i = 0; i < args->width; i += 8) {
      const __m256 v = _mm256_loadu_ps(x + i);
      squares = _mm256_fmadd_ps(v, v, squares);
    }
    const float mean = ReduceAdd(squares) / static_cast<float>(args->width);
    const __m256 factor = _mm256_set1_ps(1.0F / std::sqrt(mean + args->eps));
    for (int32_t i = 0; i < args->width; i += kGroup, ++group) {
      __m256 v[kRegisters];
      for (int j = 0; j < kRegisters; ++j) {
        const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i + j * 8), factor);
        v[j] = _mm256_mul_ps(scaled, _mm256_loadu_ps(args->weight + i + j * 8));
      }
      QuantizeGroup(v, group);
    }
  }
}

void SiluQuantize(const SiluQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  for (int64_t token = token_begin; token < token_end; ++token) {
    const float* gate = args->gate + token * args->stride;
    const float* up = args->up + token * args->stride;
    ActivationGroup* group = args->groups + token * args->group_stride;
    for (int32_t i = 0; i < args->k; i += kGroup, ++group) {
      __m256 v[kRegisters];
      for (int j = 0; j < kRegisters; ++j) v[j] = Gated(gate + i + j * 8, up + i + j * 8);
      QuantizeGroup(v, group);
    }
  }
}

}  // namespace fairlane::avx2
