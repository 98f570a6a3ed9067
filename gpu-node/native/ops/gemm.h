// Contract of the linear layer y = x W^T (or y += x W^T): packing of weights and the product.
// Weights are split in panels of kPanelRows output rows, the unit of work; what a panel looks like
// inside is the backend's own. Every output element is reduced in ascending order of k with the
// same f32 operations whatever the number of tokens, so results do not depend on how tokens are
// batched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fairlane {

inline constexpr int32_t kPanelRows = 32;
inline constexpr int32_t kGroup = 32;  // weights and activations share a scale per 32 values of k

enum WeightFormat : int32_t {
  kWeightF32 = 0,
  kWeightQ8 = 1,  // w = d * q, q in -128 .. 127
  kWeightQ4 = 2,  // w = d * (q + offset / kOffsetSteps), q in 0 .. 15
};

// Canonical rows, from which a backend packs its panels: k / kGroup groups one after another.
struct Q8Group {
  uint16_t d;  // f16
  int8_t q[kGroup];
};
struct Q4Group {
  uint16_t d;  // f16
  int16_t offset;
  uint8_t q[kGroup / 2];  // byte j: value j in the low nibble, value j + 16 in the high one
};
inline constexpr int32_t kOffsetSteps = 128;
static_assert(sizeof(Q8Group) == 34 && sizeof(Q4Group) == 20);

inline constexpr int32_t kWeightFormatCount = 3;

// A backend has a kernel ("tile") for each of 1 .. tile_max[format] tokens at a time; all perform
// the same f32 operations for an output element, so the choice among them is one of speed alone.
// The table says which comes next when so many tokens are left: next[left], and the last entry
// where more are left. Valid: 1 <= next[left] <= left and <= tile_max of the format.
inline constexpr int32_t kTileTableTokens = 16;
struct TileTable {
  uint8_t next[kTileTableTokens + 1];  // [0] is not used
};

inline int32_t NextTile(const TileTable& table, int32_t tokens_left) {
  return table.next[tokens_left < kTileTableTokens ? tokens_left : kTileTableTokens];
}

struct GemmWeights {
  WeightFormat format;
  int32_t rows;            // outputs
  int32_t k;               // inputs, a multiple of kGroup
  void* data;              // 64-byte aligned, packed_bytes(format, rows, k)
  const TileTable* tiles;  // of the format; outlives the weights
};

inline int32_t PanelCount(int32_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

// kGroup activations of a token: x = scale * (q - zero), written by the ops of quantize_rows.h.
struct ActivationGroup {
  int8_t q[kGroup];
  float scale;
  int16_t minus_two_zero;  // -2 * zero, zero in -127 .. 127
  int16_t total;           // sum of (q - zero)
};
static_assert(sizeof(ActivationGroup) == 40);

// Memory that is needed soon: a product may bring it near the core while it computes, or not.
struct AheadRange {
  const uint8_t* data;
  int64_t bytes;
};
struct AheadRanges {
  const AheadRange* ranges;
  int32_t count;
};

// Activations of `tokens` rows; `x` alone is used with kWeightF32, `groups` alone otherwise. A
// quantised product adds (d * scale) * I group by group, where I is an exact integer in 32 bits:
//   Q8: I = dot(w.q, x.q) - zero * sum(w.q)
//   Q4: I = 16 * dot(w.q, x.q) + (64 * sum(w.q) * minus_two_zero + offset * total) / 8, rounded
//       down; the sum over all groups is divided by 16 at the end
struct GemmInput {
  int32_t tokens;
  const float* x;                 // [tokens, k]
  const ActivationGroup* groups;  // [tokens, k / kGroup]
  const AheadRanges* ahead = nullptr;
};

struct GemmOutput {
  float* y;  // element (t, r) at y[t * stride + r]
  int64_t stride;
  bool accumulate;  // adds to y instead of writing it
};

// Bytes of the packed form; 0 if the backend does not know the format.
using PackedBytesFn = size_t (*)(WeightFormat format, int32_t rows, int32_t k);
// Packs one panel from the canonical rows (f32 rows for kWeightF32); a null row is padding.
using PackPanelFn = void (*)(const GemmWeights* weights, int32_t panel,
                             const void* const canonical_rows[kPanelRows]);
// Computes panels [panel_begin, panel_end) for all tokens.
using GemmFn = void (*)(const GemmWeights* weights, const GemmInput* input,
                        const GemmOutput* output, int32_t panel_begin, int32_t panel_end);

}  // namespace fairlane
