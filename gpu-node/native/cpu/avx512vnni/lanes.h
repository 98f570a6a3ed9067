// Owns attention arithmetic (blocked_attention.h) on 16 floats: f32, and what bf16 shares with it.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <limits>

#include "cpu/avx512vnni/exp.h"
#include "cpu/kv_block.h"
#include "ops/paged_attention.h"

namespace fairlane::avx512vnni {

inline __mmask16 MaskOf(int32_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xFFFF : count <= 0 ? 0 : (1U << count) - 1U);
}

// Elements of K or V times their scales; only int8 has some. What is masked out is 0, whatever the
// scale.
inline __m512 LoadElements(const uint16_t* from, __mmask16 mask, __m512) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from));
}

inline __m512 LoadElements(const int8_t* from, __mmask16 mask, __m512 scale) {
  const __m512i wide = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, from));
  return _mm512_maskz_mul_ps(mask, _mm512_cvtepi32_ps(wide), scale);
}

inline __m512 LoadElements(const float* from, __mmask16 mask, __m512) {
  return _mm512_maskz_loadu_ps(mask, from);
}

inline __m512 LoadElements(const float* from, __m512) { return _mm512_loadu_ps(from); }

inline __m512 LoadElements(const uint16_t* from, __m512) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

inline __m512 LoadElements(const int8_t* from, __m512 scale) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), scale);
}

template <typename Element>
inline __m512 ValueScale(const KvBlockView<Element>& view, int32_t lane) {
  if constexpr (kHasScales<Element>) return _mm512_set1_ps(view.value_scales[lane]);
  return _mm512_setzero_ps();
}

struct Lanes {
  using Vector = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kQueries = 6;
  static constexpr int kScoreBlocks = 4;
  static constexpr int kValueVectors = 4;

  static Vector Zero() { return _mm512_setzero_ps(); }
  static Vector Set(float x) { return _mm512_set1_ps(x); }
  static Vector Add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector Sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static Vector Mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector Max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector Exp(Vector x) { return avx512vnni::Exp(x); }
  static float ReduceMax(Vector x) { return _mm512_reduce_max_ps(x); }
  static float ReduceAdd(Vector x) { return _mm512_reduce_add_ps(x); }
  static float First(Vector x) { return _mm512_cvtss_f32(x); }
  static Vector OrMinusInfinity(Vector x, uint32_t bits) {
    return _mm512_mask_mov_ps(Set(-std::numeric_limits<float>::infinity()),
                              static_cast<__mmask16>(bits), x);
  }
  static Vector LoadSome(const float* from, int32_t count) {
    return _mm512_maskz_loadu_ps(MaskOf(count), from);
  }
  static void StoreSome(float* to, int32_t count, Vector x) {
    _mm512_mask_storeu_ps(to, MaskOf(count), x);
  }
};

struct F32 : Lanes {
  using Word = float;
  static constexpr int kStep = 1;

  static Vector Load(const Word* from) { return _mm512_load_ps(from); }
  static Vector SetWord(Word word) { return _mm512_set1_ps(word); }
  static Vector MulAdd(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
  static void StoreWeights(Vector p, Word* to) { _mm512_store_ps(to, p); }
  static void QueryWords(const float* q, int32_t dim, Word* words) {
    std::memcpy(words, q, static_cast<size_t>(dim) * sizeof(Word));
  }
  static void Store(Word* to, Vector x) { _mm512_store_ps(to, x); }
  template <typename Element>
  static Vector Key(const KvBlockView<Element>& view, int, int32_t d) {
    Vector scales = Zero();
    if constexpr (kHasScales<Element>) scales = _mm512_loadu_ps(view.key_scales);
    return LoadElements(view.keys + d * kPageTokens, scales);
  }
  template <bool kIsFull, typename Element>
  static Vector Value(const KvBlockView<Element>& view, int32_t lane, int32_t d) {
    const Element* from = view.values + lane * view.dim + d;
    if constexpr (kIsFull) return LoadElements(from, ValueScale(view, lane));
    const __mmask16 mask = lane < LaneCount(view.lanes) ? MaskOf(view.dim - d) : __mmask16{0};
    return LoadElements(from, mask, ValueScale(view, lane));
  }
};

}  // namespace fairlane::avx512vnni
