// Root-mean-square norm with 16 partial sums.
#include <immintrin.h>

#include <cmath>

#include "cpu/avx512vnni/ops.h"

namespace fairlane::avx512vnni {

void RmsNorm(const RmsNormArgs* args, int32_t token_begin, int32_t token_end) {
  for (int32_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + static_cast<int64_t>(token) * args->width;
    float* y = args->y + static_cast<int64_t>(token) * args->width;
    __m512 squares = _mm512_setzero_ps();
    for (int32_t i = 0; i < args->width; i += 16) {
      const __m512 v = _mm512_loadu_ps(x + i);
      squares = _mm512_fmadd_ps(v, v, squares);
    }
    const float mean = _mm512_reduce_add_ps(squares) / static_cast<float>(args->width);
    const __m512 factor = _mm512_set1_ps(1.0F / std::sqrt(mean + args->eps));
    for (int32_t i = 0; i < args->width; i += 16) {
      const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x + i), factor);
      _mm512_storeu_ps(y + i, _mm512_mul_ps(scaled, _mm512_loadu_ps(args->weight + i)));
    }
  }
}

}  // namespace fairlane::avx512vnni
