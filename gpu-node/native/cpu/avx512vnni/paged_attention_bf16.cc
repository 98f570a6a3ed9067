// Paged attention with values on pairs of bf16 (vdpbf16ps): V and the weights of the softmax are
// rounded, their products are summed in f32. Scores stay f32, because keys have channels so large
// that bf16 would move near-ties. The one file that is compiled for AVX512_BF16.
#include "cpu/attention_items.h"
#include "cpu/avx512vnni/lanes.h"
#include "cpu/avx512vnni/ops.h"

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
  static void Store(Word* to, Vector x) { _mm512_store_si512(to, _mm512_castps_si512(x)); }
  // Lane by lane, the pair {first, second}.
  static Vector Pairs(__m512 first, __m512 second) {
    const auto halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(PairOrder(), halves));
  }
  template <bool kIsFull, typename Element>
  static Vector Value(const KvBlockView<Element>& view, int32_t key, int32_t d) {
    const int32_t lane = key * kStep;
    return Pairs(F32::Value<kIsFull>(view, lane, d), F32::Value<kIsFull>(view, lane + 1, d));
  }

 private:
  // 0, 16, 1, 17, ...
  static __m512i PairOrder() {
    const __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_or_si512(index,
                           _mm512_slli_epi32(_mm512_add_epi32(index, _mm512_set1_epi32(16)), 16));
  }
};

}  // namespace

void PagedAttentionBf16(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  RunAttentionItems<F32, Bf16>(*args, item_begin, item_end);
}

}  // namespace fairlane::avx512vnni
