// Gated activation, 8 at a time.
#include <immintrin.h>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"

namespace fairlane::avx2 {

void SiluMul(const SiluMulArgs* args, int32_t token_begin, int32_t token_end) {
  const __m256 one = _mm256_set1_ps(1.0F);
  for (int32_t token = token_begin; token < token_end; ++token) {
    const float* gate = args->gate_up + static_cast<int64_t>(token) * 2 * args->width;
    const float* up = gate + args->width;
    float* y = args->y + static_cast<int64_t>(token) * args->width;
    for (int32_t i = 0; i < args->width; i += 8) {
      const __m256 g = _mm256_loadu_ps(gate + i);
      const __m256 e = Exp(_mm256_sub_ps(_mm256_setzero_ps(), g));
      const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
      _mm256_storeu_ps(y + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
    }
  }
}

}  // namespace fairlane::avx2
