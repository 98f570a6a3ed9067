// The low-rank product on sixteen floats at a time.
#include "ops/lora.h"

#include <immintrin.h>

#include "cpu/avx512vnni/ops.h"
#include "cpu/lora_tiles.h"

namespace fairlane::avx512vnni {
namespace {

struct Lanes {
  using Vector = __m512;
  static constexpr int kLanes = 16;
  // Thirty-two registers: sums of eight ranks of three tokens, or of two vectors of six tokens.
  static constexpr int kShrinkTokens = 3;
  static constexpr int kShrinkRanks = 8;
  static constexpr int kExpandTokens = 6;

  static Vector Zero() { return _mm512_setzero_ps(); }
  static Vector Set(float x) { return _mm512_set1_ps(x); }
  static Vector Add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector MulAdd(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
  static float ReduceAdd(Vector x) { return _mm512_reduce_add_ps(x); }
  static Vector Load(const float* from) { return _mm512_loadu_ps(from); }
  static void Store(float* to, Vector x) { _mm512_storeu_ps(to, x); }
  static Vector LoadElements(const uint16_t* from) {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Vector LoadElements(const int8_t* from) {
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from))));
  }
};

}  // namespace

void LoraShrink(const LoraShrinkArgs* args, int32_t token_begin, int32_t token_end) {
  ShrinkTokens<Lanes>(*args, token_begin, token_end);
}

void LoraExpand(const LoraExpandArgs* args, const LoraPiece* piece) {
  ExpandPanels<Lanes>(*args, *piece);
}

}  // namespace fairlane::avx512vnni
