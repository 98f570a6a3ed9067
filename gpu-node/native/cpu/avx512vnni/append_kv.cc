// Writes K and V into f16 pages: converted 16 at a time, K scattered into its lane. Pages of f32
// and int8 are the generic code's.
#include <immintrin.h>

#include "cpu/avx512vnni/ops.h"
#include "cpu/generic/ops.h"
#include "cpu/kv_page.h"
#include "ops/half.h"

namespace fairlane::avx512vnni {
namespace {

inline __m256i ToHalves(const float* x, __mmask16 mask) {
  const __m512 limit = _mm512_set1_ps(kHalfMax);
  const __m512 v = _mm512_maskz_loadu_ps(mask, x);
  const __m512 clamped =
      _mm512_max_ps(_mm512_min_ps(v, limit), _mm512_sub_ps(_mm512_setzero_ps(), limit));
  return _mm512_cvtps_ph(clamped, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
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
      for (int32_t d = 0; d < dim; d += 16) {
        const int32_t count = dim - d < 16 ? dim - d : 16;
        const auto mask = static_cast<__mmask16>((1U << count) - 1U);
        alignas(32) uint16_t halves[16];
        _mm256_store_si256(reinterpret_cast<__m256i*>(halves), ToHalves(k + d, mask));
        for (int32_t i = 0; i < count; ++i) keys[(d + i) * kPageTokens + lane] = halves[i];
        _mm256_mask_storeu_epi16(values + lane * dim + d, mask, ToHalves(v + d, mask));
      }
    }
  }
}

}  // namespace fairlane::avx512vnni
