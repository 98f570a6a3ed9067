// The linear layer on VNNI: 32 rows by up to 6 tokens at a time, unsigned weights times signed
// activations. Per group of 32 k the integer part, dot(w, x) - zero * sum(w), is exact, so it does
// not matter where sum(w) comes from; then one scale and fused multiply-adds in f32. Every token
// count runs the same sequence for an output element.
#include <immintrin.h>

#include "cpu/avx512vnni/ops.h"
#include "cpu/avx512vnni/panel.h"

namespace fairlane::avx512vnni {
namespace {

constexpr int kTokensAtOnce = 6;
// From this many tokens on the weights' sums are read; below, they are recomputed.
constexpr int kTokensToReadSums = 4;
constexpr int32_t kQ8Offset = 128;  // added to stored weights

inline __m512 LoadHalves(const uint8_t* from) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
}

inline __m512i BroadcastQuad(const int8_t* q) {
  int32_t quad;
  __builtin_memcpy(&quad, q, sizeof(quad));
  return _mm512_set1_epi32(quad);
}

// Activations of T tokens: pointers to their rows.
template <int T>
struct Tokens {
  const int8_t* q[T];
  const float* scale[T];
  const float* zero[T];
  const int32_t* sum[T];
  const float* total[T];
};

template <int T>
inline Tokens<T> TokensAt(const GemmInput& input, int32_t token, int32_t k) {
  Tokens<T> tokens;
  for (int t = 0; t < T; ++t) {
    const int64_t group = static_cast<int64_t>(token + t) * (k / kGroup);
    tokens.q[t] = input.q + group * kGroup;
    tokens.scale[t] = input.scale + group;
    tokens.zero[t] = input.zero + group;
    tokens.sum[t] = input.sum + group;
    tokens.total[t] = input.total + group;
  }
  return tokens;
}

template <int T>
inline void StoreRows(const __m512 (*y)[2], const GemmOutput& output, int32_t token,
                      int32_t first_row, int32_t rows) {
  const __mmask16 low = static_cast<__mmask16>(rows >= 16 ? 0xFFFF : (1U << rows) - 1U);
  const __mmask16 high = static_cast<__mmask16>(rows >= 32   ? 0xFFFF
                                                : rows <= 16 ? 0
                                                             : (1U << (rows - 16)) - 1U);
  for (int t = 0; t < T; ++t) {
    float* to = output.y + static_cast<int64_t>(token + t) * output.stride + first_row;
    __m512 first = y[t][0];
    __m512 second = y[t][1];
    if (output.accumulate) {
      first = _mm512_add_ps(first, _mm512_maskz_loadu_ps(low, to));
      second = _mm512_add_ps(second, _mm512_maskz_loadu_ps(high, to + 16));
    }
    _mm512_mask_storeu_ps(to, low, first);
    _mm512_mask_storeu_ps(to + 16, high, second);
  }
}

// Sums of a group's weights for rows 0-15 and 16-31, as floats.
struct RowSums {
  __m512 rows[2];
};

inline RowSums LoadSums(const uint8_t* sums) {
  const __m512i both = _mm512_load_si512(sums);
  return {{_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(both))),
           _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(both, 1)))}};
}

template <int T>
void Q4Panel(const uint8_t* group, const uint8_t* sums, const Tokens<T>& tokens, int32_t groups,
             __m512 (*y)[2]) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i ones = _mm512_set1_epi8(1);
  for (int t = 0; t < T; ++t) y[t][0] = y[t][1] = _mm512_setzero_ps();
  for (int32_t g = 0; g < groups; ++g, group += kQ4GroupBytes, sums += kSumBytes) {
    __m512i dot[T][2];
    for (int t = 0; t < T; ++t) dot[t][0] = dot[t][1] = _mm512_setzero_si512();
    __m512i own[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    const uint8_t* weights = group + 2 * kScaleBytes;
    _mm_prefetch(reinterpret_cast<const char*>(group + 4 * kQ4GroupBytes), _MM_HINT_T0);
#pragma GCC unroll 8
    for (int32_t quad = 0; quad < kQuadsPerGroup; ++quad) {
      const __m512i both = _mm512_load_si512(weights + quad * 64);
      const __m512i low = _mm512_and_si512(both, nibble);
      const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
      if constexpr (T < kTokensToReadSums) {
        own[0] = _mm512_dpbusd_epi32(own[0], low, ones);
        own[1] = _mm512_dpbusd_epi32(own[1], high, ones);
      }
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m512i x = BroadcastQuad(tokens.q[t] + g * kGroup + quad * 4);
        dot[t][0] = _mm512_dpbusd_epi32(dot[t][0], low, x);
        dot[t][1] = _mm512_dpbusd_epi32(dot[t][1], high, x);
      }
    }
    RowSums row_sums = {{_mm512_cvtepi32_ps(own[0]), _mm512_cvtepi32_ps(own[1])}};
    if constexpr (T >= kTokensToReadSums) row_sums = LoadSums(sums);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512 d = LoadHalves(group + half * 32);
      const __m512 m = LoadHalves(group + kScaleBytes + half * 32);
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m512 scale = _mm512_set1_ps(tokens.scale[t][g]);
        const __m512 zero = _mm512_set1_ps(tokens.zero[t][g]);
        const __m512 product =
            _mm512_fnmadd_ps(zero, row_sums.rows[half], _mm512_cvtepi32_ps(dot[t][half]));
        y[t][half] = _mm512_fmadd_ps(_mm512_mul_ps(d, scale), product, y[t][half]);
        y[t][half] = _mm512_fmadd_ps(m, _mm512_set1_ps(tokens.total[t][g]), y[t][half]);
      }
    }
  }
}

template <int T>
void Q8Panel(const uint8_t* group, const uint8_t* sums, const Tokens<T>& tokens, int32_t groups,
             __m512 (*y)[2]) {
  const __m512i ones = _mm512_set1_epi8(1);
  for (int t = 0; t < T; ++t) y[t][0] = y[t][1] = _mm512_setzero_ps();
  for (int32_t g = 0; g < groups; ++g, group += kQ8GroupBytes, sums += kSumBytes) {
    __m512i dot[T][2];
    // Weights are stored with an offset: start where it cancels.
    for (int t = 0; t < T; ++t) {
      dot[t][0] = dot[t][1] = _mm512_set1_epi32(-kQ8Offset * tokens.sum[t][g]);
    }
    __m512i own[2];
    own[0] = own[1] = _mm512_set1_epi32(-kQ8Offset * kGroup);
    const uint8_t* weights = group + kScaleBytes;
    _mm_prefetch(reinterpret_cast<const char*>(group + 3 * kQ8GroupBytes), _MM_HINT_T0);
#pragma GCC unroll 8
    for (int32_t quad = 0; quad < kQuadsPerGroup; ++quad) {
      const __m512i low = _mm512_load_si512(weights + quad * 128);
      const __m512i high = _mm512_load_si512(weights + quad * 128 + 64);
      if constexpr (T < kTokensToReadSums) {
        own[0] = _mm512_dpbusd_epi32(own[0], low, ones);
        own[1] = _mm512_dpbusd_epi32(own[1], high, ones);
      }
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m512i x = BroadcastQuad(tokens.q[t] + g * kGroup + quad * 4);
        dot[t][0] = _mm512_dpbusd_epi32(dot[t][0], low, x);
        dot[t][1] = _mm512_dpbusd_epi32(dot[t][1], high, x);
      }
    }
    RowSums row_sums = {{_mm512_cvtepi32_ps(own[0]), _mm512_cvtepi32_ps(own[1])}};
    if constexpr (T >= kTokensToReadSums) row_sums = LoadSums(sums);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512 d = LoadHalves(group + half * 32);
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m512 scale = _mm512_set1_ps(tokens.scale[t][g]);
        const __m512 zero = _mm512_set1_ps(tokens.zero[t][g]);
        const __m512 product =
            _mm512_fnmadd_ps(zero, row_sums.rows[half], _mm512_cvtepi32_ps(dot[t][half]));
        y[t][half] = _mm512_fmadd_ps(_mm512_mul_ps(d, scale), product, y[t][half]);
      }
    }
  }
}

template <int T>
void Tile(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
          int32_t panel, int32_t token) {
  const uint8_t* data = PanelOf(weights, panel);
  const uint8_t* sums = data + SumsOffset(weights.format, weights.k);
  const Tokens<T> tokens = TokensAt<T>(input, token, weights.k);
  __m512 y[T][2];
  if (weights.format == kWeightQ4) {
    Q4Panel<T>(data, sums, tokens, weights.k / kGroup, y);
  } else {
    Q8Panel<T>(data, sums, tokens, weights.k / kGroup, y);
  }
  const int32_t first_row = panel * kPanelRows;
  const int32_t rows =
      weights.rows - first_row < kPanelRows ? weights.rows - first_row : kPanelRows;
  StoreRows<T>(y, output, token, first_row, rows);
}

void Panel(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
           int32_t panel) {
  int32_t token = 0;
  for (; token + kTokensAtOnce <= input.tokens; token += kTokensAtOnce) {
    Tile<kTokensAtOnce>(weights, input, output, panel, token);
  }
  switch (input.tokens - token) {
    case 5:
      Tile<5>(weights, input, output, panel, token);
      break;
    case 4:
      Tile<4>(weights, input, output, panel, token);
      break;
    case 3:
      Tile<3>(weights, input, output, panel, token);
      break;
    case 2:
      Tile<2>(weights, input, output, panel, token);
      break;
    case 1:
      Tile<1>(weights, input, output, panel, token);
      break;
    default:
      break;
  }
}

}  // namespace

void Gemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
          int32_t panel_begin, int32_t panel_end) {
  for (int32_t panel = panel_begin; panel < panel_end; ++panel)
    Panel(*weights, *input, *output, panel);
}

}  // namespace fairlane::avx512vnni
