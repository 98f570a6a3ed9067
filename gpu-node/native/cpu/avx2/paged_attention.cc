// Paged attention in f32, 8 lanes at a time.
#include <immintrin.h>

#include <cstring>
#include <limits>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/vector.h"
#include "cpu/blocked_attention.h"

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
  // Halves have no scale.
  static Vector LoadElements(const uint16_t* from, Vector) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vector LoadElements(const int8_t* from, Vector scale) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), scale);
  }
  template <typename Element>
  static void KeyWords(const KvBlockView<Element>& view, int32_t dim, Word* words, int32_t stride) {
    for (int32_t lane = 0; lane < kPageTokens; lane += kLanes) {
      Vector scale = Zero();
      if constexpr (kHasScales<Element>) scale = _mm256_loadu_ps(view.key_scales + lane);
      const Element* keys = view.keys + lane;
      for (int32_t d = 0; d < dim; ++d)
        _mm256_store_ps(words + d * stride + lane, LoadElements(keys + d * kPageTokens, scale));
    }
  }
  template <typename Element>
  static void ValueWords(const KvBlockView<Element>& view, int32_t dim, Word* words) {
    const int32_t lanes = LaneCount(view.lanes);
    for (int32_t lane = 0; lane < kPageTokens; ++lane, words += kMaxHeadDim) {
      Vector scale = Zero();
      if constexpr (kHasScales<Element>) scale = Set(view.value_scales[lane]);
      const Element* values = view.values + lane * dim;
      for (int32_t d = 0; d < dim; d += kLanes)
        _mm256_store_ps(words + d, lane < lanes ? LoadElements(values + d, scale) : Zero());
    }
  }
};

}  // namespace

void PagedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  for (int32_t i = item_begin; i < item_end; ++i)
    BlockedAttention<F32>::RunItem(*args, args->items[i]);
}

}  // namespace fairlane::avx2
