// Writes K and V into f16 pages: converted 8 at a time, K scattered into its lane. Pages of f32 and
// int8 are the generic code's.
#include <immintrin.h>

#include "cpu/avx2/ops.h"
#include "cpu/generic/ops.h"
#include "cpu/kv_page.h"
#include "ops/half.h"

namespace fairlane::avx2 {
namespace {

inline __m128i ToHalves(const float* x) {
  const __m256 low = _mm256_max_ps(_mm256_loadu_ps(x), _mm256_set1_ps(-kHalfMax));
  return _mm256_cvtps_ph(_mm256_min_ps(low, _mm256_set1_ps(kHalfMax)),
                         _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

}  // namespace

void AppendKv(const AppendKvArgs* args, int32_t token_begin, int32_t token_end) {
  if (args->shape.type == kKvF32) return generic::AppendKv(args, token_begin, token_end);
  if (args->shape.type == kKvInt8) return generic::AppendKvInt8(args, token_begin, token_end);
  const int32_t dim = args->shape.head_dim;
  for (int32_t token = token_begin; token < token_end; ++token) {
    const int32_t lane = args->page_offset[token];
    for (int32_t head = 0; head < args->shape.kv_heads; ++head) {
      const float* k = args->k + token * args->stride + static_cast<int64_t>(head) * dim;
      const float* v = args->v + token * args->stride + static_cast<int64_t>(head) * dim;
      auto* keys =
          reinterpret_cast<uint16_t*>(KeysOf(args->page[token], args->shape, args->layer, head));
      auto* values =
          reinterpret_cast<uint16_t*>(ValuesOf(args->page[token], args->shape, args->layer, head));
      for (int32_t d = 0; d < dim; d += 8) {
        alignas(16) uint16_t halves[8];
        _mm_store_si128(reinterpret_cast<__m128i*>(halves), ToHalves(k + d));
        for (int32_t i = 0; i < 8; ++i) keys[(d + i) * kPageTokens + lane] = halves[i];
        _mm_storeu_si128(reinterpret_cast<__m128i*>(values + lane * dim + d), ToHalves(v + d));
      }
    }
  }
}

}  // namespace fairlane::avx2
