// Gated activation, 16 at a time.
#include <immintrin.h>

#include "cpu/avx512vnni/exp.h"
#include "cpu/avx512vnni/ops.h"

namespace fairlane::avx512vnni {

void SiluMul(const SiluMulArgs* args, int32_t token_begin, int32_t token_end) {
  const __m512 one = _mm512_set1_ps(1.0F);
  for (int32_t token = token_begin; token < token_end; ++token) {
    const float* gate = args->gate_up + static_cast<int64_t>(token) * 2 * args->width;
    const float* up = gate + args->width;
    float* y = args->y + static_cast<int64_t>(token) * args->width;
    for (int32_t i = 0; i < args->width; i += 16) {
      const __m512 g = _mm512_loadu_ps(gate + i);
      const __m512 e = Exp(_mm512_sub_ps(_mm512_setzero_ps(), g));
      const __m512 silu = _mm512_div_ps(g, _mm512_add_ps(one, e));
      _mm512_storeu_ps(y + i, _mm512_mul_ps(silu, _mm512_loadu_ps(up + i)));
    }
  }
}

}  // namespace fairlane::avx512vnni
