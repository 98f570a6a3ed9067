// The low-rank product on eight floats at a time.
#include "ops/lora.h"

#include <immintrin.h>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"
#include "cpu/lora_tiles.h"

namespace fairlane::avx2 {
namespace {

struct Lanes {
  using Vector = __m256;
  static constexpr int kLanes = 8;
  // Sixteen registers: sums of four ranks of two tokens, or of four vectors of two tokens.
  static constexpr int kShrinkTokens = 2;
  static constexpr int kShrinkRanks = 4;
  static constexpr int kExpandTokens = 2;

  static Vector Zero() { return _mm256_setzero_ps(); }
  static Vector Set(float x) { return _mm256_set1_ps(x); }
  static Vector Add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector MulAdd(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
  static float ReduceAdd(Vector x) { return avx2::ReduceAdd(x); }
  static Vector Load(const float* from) { return _mm256_loadu_ps(from); }
  static void Store(float* to, Vector x) { _mm256_storeu_ps(to, x); }
  static Vector LoadElements(const uint16_t* from) {
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vector LoadElements(const int8_t* from) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
  }
};

}  // namespace

void LoraShrink(const LoraShrinkArgs* args, int32_t token_begin, int32_t token_end) {
  ShrinkTokens<Lanes>(*args, token_begin, token_end);
}

void LoraExpand(const LoraExpandArgs* args, const LoraPiece* piece) {
  ExpandPanels<Lanes>(*args, *piece);
}

}  // namespace fairlane::avx2
