// The linear layer on AVX2. Q4: maddubs of nibbles and activations; the eight products of a group
// fit 16 bits (8 * 2 * 15 * 127 = 30,480), so one maddwd per group widens them. Q8: maddubs of |w|
// and the activation with w's sign, widened at once. Per group everything that concerns integers
// (zero points, offsets of weights) is exact; then one scale and one fused multiply-add in f32, the
// same sequence for an output element whatever the token count.
#include <immintrin.h>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/panel.h"

namespace fairlane::avx2 {
namespace {

constexpr int32_t kQ4TileMax = 3;
constexpr int32_t kQ8TileMax = 4;

inline __m256 LoadHalves(const uint8_t* from) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
}

inline __m256i LoadSums(const uint8_t* from) {
  return _mm256_cvtepi16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
}

inline __m256i BroadcastQuad(const void* bytes) {
  int32_t quad;
  __builtin_memcpy(&quad, bytes, sizeof(quad));
  return _mm256_set1_epi32(quad);
}

// Where a tile of tokens and rows reads and writes.
struct Place {
  const GemmInput* input;
  const GemmOutput* output;
  int32_t k;
  int32_t token;
  int32_t first_row;
  int32_t rows;  // of the matrix

  const ActivationGroup& x(int t, int32_t g) const {
    return input->groups[static_cast<int64_t>(token + t) * (k / kGroup) + g];
  }
};

inline void StoreEight(const Place& place, int t, int32_t row, __m256 y) {
  float* to = place.output->y + static_cast<int64_t>(place.token + t) * place.output->stride + row;
  if (row + 8 <= place.rows) {
    if (place.output->accumulate) y = _mm256_add_ps(y, _mm256_loadu_ps(to));
    _mm256_storeu_ps(to, y);
    return;
  }
  alignas(32) float values[8];
  _mm256_store_ps(values, y);
  for (int32_t i = 0; row + i < place.rows; ++i) {
    to[i] = place.output->accumulate ? values[i] + to[i] : values[i];
  }
}

template <int T>
void Q4Tile(const uint8_t* group, const Place& place) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 y[T][2];
  for (int t = 0; t < T; ++t) y[t][0] = y[t][1] = _mm256_setzero_ps();
  for (int32_t g = 0; g < place.k / kGroup; ++g, group += kQ4GroupBytes) {
    __m256i sum[T][2];
    for (int t = 0; t < T; ++t) sum[t][0] = sum[t][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int32_t quad = 0; quad < kQuadsPerGroup; ++quad) {
      const __m256i both =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(group + kQ4QuadsAt + quad * 32));
      const __m256i low = _mm256_and_si256(both, nibble);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
#pragma GCC unroll 3
      for (int t = 0; t < T; ++t) {
        const __m256i x = BroadcastQuad(place.x(t, g).q + quad * 4);
        sum[t][0] = _mm256_add_epi16(sum[t][0], _mm256_maddubs_epi16(low, x));
        sum[t][1] = _mm256_add_epi16(sum[t][1], _mm256_maddubs_epi16(high, x));
      }
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256 d = LoadHalves(group + half * 16);
      const __m256i pairs =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(group + kQ4PairsAt + half * 32));
      for (int t = 0; t < T; ++t) {
        const ActivationGroup& x = place.x(t, g);
        const __m256i dot = _mm256_slli_epi32(_mm256_madd_epi16(sum[t][half], ones), 4);
        const __m256i correction =
            _mm256_srai_epi32(_mm256_madd_epi16(pairs, BroadcastQuad(&x.minus_two_zero)), 3);
        y[t][half] =
            _mm256_fmadd_ps(_mm256_mul_ps(d, _mm256_set1_ps(x.scale)),
                            _mm256_cvtepi32_ps(_mm256_add_epi32(dot, correction)), y[t][half]);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    const __m256 sixteenth = _mm256_set1_ps(1.0F / 16.0F);
    StoreEight(place, t, place.first_row, _mm256_mul_ps(y[t][0], sixteenth));
    StoreEight(place, t, place.first_row + 8, _mm256_mul_ps(y[t][1], sixteenth));
  }
}

template <int T>
void Q8Tile(const uint8_t* group, const Place& place) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 y[T];
  for (int t = 0; t < T; ++t) y[t] = _mm256_setzero_ps();
  for (int32_t g = 0; g < place.k / kGroup; ++g, group += kQ8GroupBytes) {
    __m256i sum[T];
    for (int t = 0; t < T; ++t) sum[t] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int32_t quad = 0; quad < kQuadsPerGroup; ++quad) {
      const __m256i w =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(group + kQ8QuadsAt + quad * 32));
      const __m256i magnitude = _mm256_abs_epi8(w);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const __m256i x = _mm256_sign_epi8(BroadcastQuad(place.x(t, g).q + quad * 4), w);
        sum[t] =
            _mm256_add_epi32(sum[t], _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, x), ones));
      }
    }
    const __m256 d = LoadHalves(group);
    const __m256i weight_sums = LoadSums(group + kQ8SumsAt);
    for (int t = 0; t < T; ++t) {
      const ActivationGroup& x = place.x(t, g);
      const __m256i minus_zero = _mm256_set1_epi32(x.minus_two_zero / 2);
      const __m256i exact = _mm256_add_epi32(sum[t], _mm256_mullo_epi32(weight_sums, minus_zero));
      y[t] = _mm256_fmadd_ps(_mm256_mul_ps(d, _mm256_set1_ps(x.scale)), _mm256_cvtepi32_ps(exact),
                             y[t]);
    }
  }
  for (int t = 0; t < T; ++t) StoreEight(place, t, place.first_row, y[t]);
}

void Q4Part(const uint8_t* part, const TileTable& tiles, Place place) {
  while (place.token < place.input->tokens) {
    const int32_t tile = NextTile(tiles, place.input->tokens - place.token);
    if (tile == 3) Q4Tile<3>(part, place);
    if (tile == 2) Q4Tile<2>(part, place);
    if (tile == 1) Q4Tile<1>(part, place);
    place.token += tile;
  }
}

void Q8Part(const uint8_t* part, const TileTable& tiles, Place place) {
  while (place.token < place.input->tokens) {
    const int32_t tile = NextTile(tiles, place.input->tokens - place.token);
    if (tile == 4) Q8Tile<4>(part, place);
    if (tile == 3) Q8Tile<3>(part, place);
    if (tile == 2) Q8Tile<2>(part, place);
    if (tile == 1) Q8Tile<1>(part, place);
    place.token += tile;
  }
}

}  // namespace

const TileTable kTiles[kWeightFormatCount] = {
    {{0, 1, 2, 3, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}},
    {{0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}},
    {{0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}},
};
const int32_t kTileMax[kWeightFormatCount] = {kF32TileMax, kQ8TileMax, kQ4TileMax};

void Gemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
          int32_t panel_begin, int32_t panel_end) {
  if (weights->format == kWeightF32)
    return GemmF32(*weights, *input, *output, panel_begin, panel_end);
  const int32_t part_rows = PartRows(weights->format);
  for (int32_t panel = panel_begin; panel < panel_end; ++panel) {
    for (int32_t row = 0; row < kPanelRows; row += part_rows) {
      const Place place = {input, output, weights->k, 0, panel * kPanelRows + row, weights->rows};
      if (place.first_row >= weights->rows) break;
      const uint8_t* part = PartOf(*weights, panel, row);
      if (weights->format == kWeightQ4) {
        Q4Part(part, *weights->tiles, place);
      } else {
        Q8Part(part, *weights->tiles, place);
      }
    }
  }
}

}  // namespace fairlane::avx2
