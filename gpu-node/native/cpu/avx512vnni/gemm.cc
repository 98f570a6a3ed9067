// The linear layer on VNNI: 32 rows by up to 6 tokens at a time, unsigned weights times signed
// activations. Per group of 32 k everything that concerns integers (zero points, offsets of
// weights) is exact, so it does not matter whether sums of weights are read or recomputed; then one
// scale and one fused multiply-add in f32. Every token count runs the same sequence for an output
// element.
#include <immintrin.h>

#include "cpu/avx512vnni/ops.h"
#include "cpu/avx512vnni/panel.h"

namespace fairlane::avx512vnni {
namespace {

constexpr int32_t kTileMaxTokens = 6;
// From this many tokens on the weights' sums are read; below, they are recomputed.
constexpr int kTokensToReadSums = 4;
// Reading ahead in the first tile of a panel: bytes from the group in work.
constexpr size_t kAheadBytes = 2560;
constexpr int kLineBytes = 64;

inline __m512 LoadHalves(const uint8_t* from) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
}

inline __m512i LoadWords(const uint8_t* from) {
  return _mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
}

inline __m512i BroadcastQuad(const void* bytes) {
  int32_t quad;
  __builtin_memcpy(&quad, bytes, sizeof(quad));
  return _mm512_set1_epi32(quad);
}

// Activations of a tile: token t's groups start at groups + t * stride.
struct Tokens {
  const ActivationGroup* groups;
  int64_t stride;
};

// A panel being read, group by group.
struct Cursor {
  const uint8_t* group;
  const uint8_t* sums;
};

struct Q4 {
  static constexpr size_t kGroupBytes = kQ4GroupBytes;
  static constexpr size_t kSumBytes = kQ4SumBytes;
  static constexpr int kShift = 3;

  // Sixteen times the quad of rows 0-15 and 16-31.
  static void LoadQuad(const uint8_t* group, int32_t quad, __m512i* w) {
    const __m512i both = _mm512_load_si512(group + kQ4WeightsAt + quad * 64);
    const __m512i nibble = _mm512_set1_epi8(static_cast<char>(0xF0));
    w[0] = _mm512_and_si512(_mm512_slli_epi16(both, 4), nibble);
    w[1] = _mm512_and_si512(both, nibble);
  }
  // The factors of minus_two_zero and total, as pairs of int16.
  static __m512i Pairs(const Cursor& at, int half) {
    return _mm512_load_si512(at.sums + half * 64);
  }
  static __m512i PairsFrom(__m512i own_sums, const Cursor& at, int half) {
    const __m512i offsets = LoadWords(at.group + kScaleBytes + half * 32);
    return _mm512_or_si512(_mm512_slli_epi32(own_sums, 2), _mm512_slli_epi32(offsets, 16));
  }
  static __m512 Finish(__m512 y) { return _mm512_mul_ps(y, _mm512_set1_ps(1.0F / 16.0F)); }
};

struct Q8 {
  static constexpr size_t kGroupBytes = kQ8GroupBytes;
  static constexpr size_t kSumBytes = kQ8SumBytes;
  static constexpr int kShift = 1;
  // Weights are stored as q + 128: total times -128, twice, is what that adds too much.
  static constexpr int32_t kOffsetFactor = -256;

  static void LoadQuad(const uint8_t* group, int32_t quad, __m512i* w) {
    w[0] = _mm512_load_si512(group + kQ8WeightsAt + quad * 128);
    w[1] = _mm512_load_si512(group + kQ8WeightsAt + quad * 128 + 64);
  }
  static __m512i Pairs(const Cursor& at, int half) {
    return PairsFrom(LoadWords(at.sums + half * 32), at, half);
  }
  static __m512i PairsFrom(__m512i own_sums, const Cursor&, int) {
    return _mm512_or_si512(own_sums, _mm512_set1_epi32(kOffsetFactor * 65536));
  }
  static __m512 Finish(__m512 y) { return y; }
};

// What zero point and offset contribute to a group's integer.
template <typename Format>
inline __m512i Correction(__m512i pairs, const ActivationGroup& x) {
  return _mm512_srai_epi32(_mm512_madd_epi16(pairs, BroadcastQuad(&x.minus_two_zero)),
                           Format::kShift);
}

template <typename Format, int T>
inline void Group(const Cursor& at, const Tokens& tokens, __m512 (*y)[2]) {
  constexpr bool kReadsSums = T >= kTokensToReadSums;
  __m512i dot[T][2];
  __m512i own[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m512i pairs = kReadsSums ? Format::Pairs(at, half) : _mm512_setzero_si512();
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      dot[t][half] = kReadsSums ? Correction<Format>(pairs, tokens.groups[t * tokens.stride])
                                : _mm512_setzero_si512();
    }
  }
#pragma GCC unroll 8
  for (int32_t quad = 0; quad < kQuadsPerGroup; ++quad) {
    __m512i w[2];
    Format::LoadQuad(at.group, quad, w);
    if constexpr (!kReadsSums) {
      own[0] = _mm512_dpbusd_epi32(own[0], w[0], _mm512_set1_epi8(1));
      own[1] = _mm512_dpbusd_epi32(own[1], w[1], _mm512_set1_epi8(1));
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      const __m512i x = BroadcastQuad(tokens.groups[t * tokens.stride].q + quad * 4);
      dot[t][0] = _mm512_dpbusd_epi32(dot[t][0], w[0], x);
      dot[t][1] = _mm512_dpbusd_epi32(dot[t][1], w[1], x);
    }
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m512 d = LoadHalves(at.group + half * 32);
    __m512i pairs = own[half];
    if constexpr (!kReadsSums) pairs = Format::PairsFrom(own[half], at, half);
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      const ActivationGroup& x = tokens.groups[t * tokens.stride];
      __m512i exact = dot[t][half];
      if constexpr (!kReadsSums) exact = _mm512_add_epi32(exact, Correction<Format>(pairs, x));
      y[t][half] = _mm512_fmadd_ps(_mm512_mul_ps(d, _mm512_set1_ps(x.scale)),
                                   _mm512_cvtepi32_ps(exact), y[t][half]);
    }
  }
}

template <typename Format, int T>
inline void StoreRows(__m512 (*y)[2], const GemmOutput& output, int32_t token, int32_t first_row,
                      int32_t rows) {
  const __mmask16 low = static_cast<__mmask16>(rows >= 16 ? 0xFFFF : (1U << rows) - 1U);
  const __mmask16 high = static_cast<__mmask16>(rows >= 32   ? 0xFFFF
                                                : rows <= 16 ? 0
                                                             : (1U << (rows - 16)) - 1U);
  for (int t = 0; t < T; ++t) {
    float* to = output.y + static_cast<int64_t>(token + t) * output.stride + first_row;
    __m512 first = Format::Finish(y[t][0]);
    __m512 second = Format::Finish(y[t][1]);
    if (output.accumulate) {
      first = _mm512_add_ps(first, _mm512_maskz_loadu_ps(low, to));
      second = _mm512_add_ps(second, _mm512_maskz_loadu_ps(high, to + 16));
    }
    _mm512_mask_storeu_ps(to, low, first);
    _mm512_mask_storeu_ps(to + 16, high, second);
  }
}

// Brings ranges of memory into the second-level cache, a few lines with each group: while many
// tokens are computed the memory is idle.
class AheadReader {
 public:
  // `steps`: how often Next will be called.
  AheadReader(const AheadRanges& ahead, int64_t steps)
      : range_(ahead.ranges), end_(ahead.ranges + ahead.count) {
    int64_t lines = 0;
    for (const AheadRange* range = range_; range < end_; ++range)
      lines += range->bytes / kLineBytes;
    const int64_t each = (lines + steps - 1) / steps;
    lines_ = static_cast<int32_t>(each < kAheadLinesMax ? each : kAheadLinesMax);
  }

  void Next() {
    for (int32_t i = 0; i < lines_ && range_ < end_; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(range_->data + offset_), _MM_HINT_T1);
      offset_ += kLineBytes;
      if (offset_ < range_->bytes) continue;
      ++range_;
      offset_ = 0;
    }
  }

 private:
  // More would hold up the product itself.
  static constexpr int64_t kAheadLinesMax = 8;

  const AheadRange* range_;
  const AheadRange* end_;
  int64_t offset_ = 0;
  int32_t lines_ = 0;
};

// One piece of work: a panel for some tokens, and where the last panel of the caller's run ends.
struct Piece {
  const GemmWeights* weights;
  const GemmInput* input;
  const GemmOutput* output;
  int32_t panel;
  const uint8_t* end;
  AheadReader* ahead;  // null without
};

// `ahead_bytes`: how far weights are read ahead, 0 for not at all.
template <typename Format, int T>
void Tile(const Piece& piece, int32_t token, size_t ahead_bytes) {
  // Few tokens are one tile, which always brings its own weights.
  if constexpr (T < kTokensToReadSums) ahead_bytes = kAheadBytes;
  const GemmWeights& weights = *piece.weights;
  const int32_t groups = weights.k / kGroup;
  Cursor at = {PanelOf(weights, piece.panel), SumsOf(weights, piece.panel)};
  Tokens tokens = {piece.input->groups + static_cast<int64_t>(token) * groups, groups};
  __m512 y[T][2];
  for (int t = 0; t < T; ++t) y[t][0] = y[t][1] = _mm512_setzero_ps();
  for (int32_t g = 0; g < groups; ++g) {
    if (ahead_bytes != 0) {
      if (at.group + ahead_bytes < piece.end) {
        for (size_t line = 0; line < Format::kGroupBytes; line += kLineBytes)
          _mm_prefetch(reinterpret_cast<const char*>(at.group + ahead_bytes + line), _MM_HINT_T0);
      }
    }
    if (piece.ahead != nullptr) piece.ahead->Next();
    Group<Format, T>(at, tokens, y);
    at.group += Format::kGroupBytes;
    at.sums += Format::kSumBytes;
    ++tokens.groups;
  }
  const int32_t first_row = piece.panel * kPanelRows;
  const int32_t rows =
      weights.rows - first_row < kPanelRows ? weights.rows - first_row : kPanelRows;
  StoreRows<Format, T>(y, *piece.output, token, first_row, rows);
}

template <typename Format>
void TileFor(int32_t count, const Piece& piece, int32_t token, size_t ahead_bytes) {
  switch (count) {
    case 6:
      return Tile<Format, 6>(piece, token, ahead_bytes);
    case 5:
      return Tile<Format, 5>(piece, token, ahead_bytes);
    case 4:
      return Tile<Format, 4>(piece, token, ahead_bytes);
    case 3:
      return Tile<Format, 3>(piece, token, ahead_bytes);
    case 2:
      return Tile<Format, 2>(piece, token, ahead_bytes);
    default:
      return Tile<Format, 1>(piece, token, ahead_bytes);
  }
}

template <typename Format>
void Panel(const Piece& piece) {
  const TileTable& tiles = *piece.weights->tiles;
  const size_t panel_bytes = PanelBytes(piece.weights->format, piece.weights->k);
  for (int32_t left = piece.input->tokens, token = 0; left > 0;) {
    const int32_t tile = NextTile(tiles, left);
    // The first tile brings its own weights, the last one those of the next panel.
    const size_t ahead_bytes = token == 0 ? kAheadBytes : tile == left ? panel_bytes : 0;
    TileFor<Format>(tile, piece, token, ahead_bytes);
    token += tile;
    left -= tile;
  }
}

}  // namespace

// Tiles as even as can be: the last of 7 tokens would otherwise cost as much as four.
const TileTable kTiles[kWeightFormatCount] = {
    {{0, 1, 2, 3, 4, 5, 6, 4, 4, 5, 5, 6, 6, 5, 5, 5, 6}},
    {{0, 1, 2, 3, 4, 5, 6, 4, 4, 5, 5, 6, 6, 5, 5, 5, 6}},
    {{0, 1, 2, 3, 4, 5, 6, 4, 4, 5, 5, 6, 6, 5, 5, 5, 6}},
};
const int32_t kTileMax[kWeightFormatCount] = {kF32TileMax, kTileMaxTokens, kTileMaxTokens};

void Gemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
          int32_t panel_begin, int32_t panel_end) {
  if (weights->format == kWeightF32)
    return GemmF32(*weights, *input, *output, panel_begin, panel_end);
  const uint8_t* const end = PanelOf(*weights, panel_end);
  const int64_t tiles = (input->tokens + kTileMaxTokens - 1) / kTileMaxTokens;
  const int64_t steps = (panel_end - panel_begin) * tiles * (weights->k / kGroup);
  const AheadRanges none = {nullptr, 0};
  AheadReader reader(input->ahead != nullptr ? *input->ahead : none, steps);
  for (int32_t panel = panel_begin; panel < panel_end; ++panel) {
    const Piece piece = {weights, input, output,
                         panel,   end,   input->ahead != nullptr ? &reader : nullptr};
    if (weights->format == kWeightQ4) {
      Panel<Q4>(piece);
    } else {
      Panel<Q8>(piece);
    }
  }
}

}  // namespace fairlane::avx512vnni
