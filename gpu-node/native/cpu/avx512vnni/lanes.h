// Owns attention arithmetic (blocked_attention.h) on 16 floats: f32, and what bf16 shares with it.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <limits>

#include "cpu/avx512vnni/exp.h"
#include "ops/paged_attention.h"

namespace fairlane::avx512vnni {

inline __mmask16 MaskOf(int32_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xFFFF : count <= 0 ? 0 : (1U << count) - 1U);
}

inline __m512 LoadHalves(const uint16_t* from, __mmask16 mask) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from));
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
  static void KeyWords(const uint16_t* keys, int32_t dim, Word* words, int32_t stride) {
    for (int32_t d = 0; d < dim; ++d)
      _mm512_store_ps(words + d * stride, LoadHalves(keys + d * kPageTokens, 0xFFFF));
  }
  static void ValueWords(const uint16_t* values, int32_t dim, int32_t lanes, Word* words) {
    for (int32_t lane = 0; lane < kPageTokens; ++lane, words += kMaxHeadDim) {
      for (int32_t d = 0; d < dim; d += kLanes) {
        const __mmask16 mask = lane < lanes ? MaskOf(dim - d) : __mmask16{0};
        _mm512_store_ps(words + d, LoadHalves(values + lane * dim + d, mask));
      }
    }
  }
};

}  // namespace fairlane::avx512vnni
