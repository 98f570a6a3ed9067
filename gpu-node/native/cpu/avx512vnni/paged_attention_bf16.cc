// Paged attention with values on pairs of bf16 (vdpbf16ps): V and the weights of the softmax are
// rounded, their products are summed in f32. Scores stay f32, because keys have channels so large
// that bf16 would move near-ties. The one file that is compiled for AVX512_BF16.
#include "cpu/avx512vnni/lanes.h"
#include "cpu/avx512vnni/ops.h"
#include "cpu/blocked_attention.h"

namespace fairlane::avx512vnni {
namespace {

struct Bf16 : Lanes {
  using Word = uint32_t;
  static constexpr int kStep = 2;

  static Vector Load(const Word* from) { return _mm512_castsi512_ps(_mm512_load_si512(from)); }
  static Vector SetWord(Word word) {
    return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int32_t>(word)));
  }
  static Vector MulAdd(Vector a, Vector b, Vector sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  static void StoreWeights(Vector p, Word* to) {
    const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(p));
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), rounded);
  }
  // Lane by lane, the pair {first, second}.
  static __m512i Pairs(__m512 first, __m512 second) {
    const __m512i low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(first)));
    const __m512i high =
        _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(second)));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
  }
  template <typename Element>
  static void ValueWords(const KvBlockView<Element>& view, int32_t dim, Word* words) {
    const int32_t lanes = LaneCount(view.lanes);
    for (int32_t lane = 0; lane < kPageTokens; lane += kStep, words += kMaxHeadDim) {
      const Vector scales[] = {ValueScale(view, lane), ValueScale(view, lane + 1)};
      for (int32_t d = 0; d < dim; d += kLanes) {
        const __mmask16 mask = MaskOf(dim - d);
        const Element* from = view.values + lane * dim + d;
        const __mmask16 none = 0;
        const Vector first = LoadElements(from, lane < lanes ? mask : none, scales[0]);
        const Vector second = LoadElements(from + dim, lane + 1 < lanes ? mask : none, scales[1]);
        _mm512_store_si512(words + d, Pairs(first, second));
      }
    }
  }
};

}  // namespace

void PagedAttentionBf16(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  for (int32_t i = item_begin; i < item_end; ++i)
    BlockedAttention<F32, Bf16>::RunItem(*args, args->items[i]);
}

}  // namespace fairlane::avx512vnni
