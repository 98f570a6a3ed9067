// Paged attention in f32, 8 lanes at a time.
#include <immintrin.h>

#include <cstring>
#include <limits>

#include "cpu/attention_items.h"
#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"

namespace fairlane::avx2 {
namespace {

// The arithmetic of blocked_attention.h. Widths of heads are multiples of 8, so registers are full.
struct F32 {
  using Vector = __m256;
  using Word = float;
  static constexpr int kLanes = 8;
  static constexpr int kStep = 1;
  static constexpr int kQueries = 6;
  static constexpr int kScoreBlocks = 1;
  static constexpr int kValueVectors = 2;

  static Vector Zero() { return _mm256_setzero_ps(); }
  static Vector Set(float x) { return _mm256_set1_ps(x); }
  static Vector SetWord(Word word) { return _mm256_set1_ps(word); }
  static Vector Load(const Word* from) { return _mm256_load_ps(from); }
  static Vector Add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector Sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static Vector Mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector MulAdd(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
  static Vector Max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static Vector Exp(Vector x) { return avx2::Exp(x); }
  static float ReduceMax(Vector x) { return avx2::ReduceMax(x); }
  static float ReduceAdd(Vector x) { return avx2::ReduceAdd(x); }
  static float First(Vector x) { return _mm256_cvtss_f32(x); }
  static Vector OrMinusInfinity(Vector x, uint32_t bits) {
    const __m256i lane_bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int32_t>(bits)), lane_bits);
    const __m256 keeps = _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane_bits));
    return _mm256_blendv_ps(Set(-std::numeric_limits<float>::infinity()), x, keeps);
  }
  static Vector LoadSome(const float* from, int32_t count) {
    return count > 0 ? _mm256_loadu_ps(from) : Zero();
  }
  static void StoreSome(float* to, int32_t count, Vector x) {
    if (count > 0) _mm256_storeu_ps(to, x);
  }
  static void StoreWeights(Vector p, Word* to) { _mm256_store_ps(to, p); }
  static void QueryWords(const float* q, int32_t dim, Word* words) {
    std::memcpy(words, q, static_cast<size_t>(dim) * sizeof(Word));
  }
  // Only int8 has scales.
  static Vector LoadElements(const float* from, Vector) { return _mm256_loadu_ps(from); }
  static Vector LoadElements(const uint16_t* from, Vector) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vector LoadElements(const int8_t* from, Vector scale) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), scale);
  }
  static void Store(Word* to, Vector x) { _mm256_store_ps(to, x); }
  template <typename Element>
  static Vector Key(const KvBlockView<Element>& view, int v, int32_t d) {
    Vector scale = Zero();
    if constexpr (kHasScales<Element>) scale = _mm256_loadu_ps(view.key_scales + v * kLanes);
    return LoadElements(view.keys + d * kPageTokens + v * kLanes, scale);
  }
  template <bool kIsFull, typename Element>
  static Vector Value(const KvBlockView<Element>& view, int32_t lane, int32_t d) {
    if (!kIsFull && (lane >= LaneCount(view.lanes) || d >= view.dim)) return Zero();
    Vector scale = Zero();
    if constexpr (kHasScales<Element>) scale = Set(view.value_scales[lane]);
    return LoadElements(view.values + lane * view.dim + d, scale);
  }
};

}  // namespace

void PagedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  RunAttentionItems<F32>(*args, item_begin, item_end);
}

}  // namespace fairlane::avx2
