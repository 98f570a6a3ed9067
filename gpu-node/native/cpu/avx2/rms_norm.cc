// Root-mean-square norm with 8 partial sums.
#include <immintrin.h>

#include <cmath>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"

namespace fairlane::avx2 {

void RmsNorm(const RmsNormArgs* args, int32_t token_begin, int32_t token_end) {
  for (int32_t token = token_begin; token < token_end; ++token) {
    const float* x = args->x + static_cast<int64_t>(token) * args->width;
    float* y = args->y + static_cast<int64_t>(token) * args->width;
    __m256 squares = _mm256_setzero_ps();
    for (int32_t i = 0; i < args->width; i += 8) {
      const __m256 v = _mm256_loadu_ps(x + i);
      squares = _mm256_fmadd_ps(v, v, squares);
    }
    const float mean = ReduceAdd(squares) / static_cast<float>(args->width);
    const __m256 factor = _mm256_set1_ps(1.0F / std::sqrt(mean + args->eps));
    for (int32_t i = 0; i < args->width; i += 8) {
      const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), factor);
      _mm256_storeu_ps(y + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(args->weight + i)));
    }
  }
}

}  // namespace fairlane::avx2
