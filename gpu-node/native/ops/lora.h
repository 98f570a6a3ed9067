// Contract of an adapter's low-rank product, y += B (scaling * (A x)), in two ops: shrink to the
// rank, expand to the outputs. A and the transpose of B are both [rank, features] and held in tiles
// of kTileRanks ranks by at most kTileFeatures features. Every element of `low` and of `y` takes
// the same f32 operations in the same order whatever tokens are computed with it.
//
// A tile is chunks of kTileChunk features, [chunk][kTileRanks][kTileChunk] elements, zero where
// there is no such rank or feature; with kTileInt8 the f32 scales of its kTileRanks rows follow.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/gemm.h"

namespace fairlane {

inline constexpr int32_t kTileRanks = 8;
inline constexpr int32_t kTileChunk = 32;
inline constexpr int32_t kTileFeatures = 1024;
inline constexpr size_t kTileAlignBytes = 64;
inline constexpr int32_t kLoraRankMax = 256;
static_assert(kTileChunk == kPanelRows && kTileChunk == kGroup);

enum TileType : int32_t {
  kTileF16 = 0,
  kTileInt8 = 1,  // a value is q * scale of its row, q in -127 .. 127
};

inline constexpr size_t TileElements(int32_t features) {
  return static_cast<size_t>((features + kTileChunk - 1) / kTileChunk) * kTileChunk * kTileRanks;
}
inline constexpr size_t TileBytes(TileType type, int32_t features) {
  return type == kTileF16 ? TileElements(features) * sizeof(uint16_t)
                          : TileElements(features) + kTileAlignBytes;
}

// A matrix [rank, features] in tiles.
struct LoraMatrix {
  TileType type;
  int32_t rank_blocks;          // of kTileRanks ranks, the last filled up with zeros
  int32_t features;             // a multiple of 8
  int32_t block_features;       // of every tile but the last of a row, a multiple of kTileChunk
  const uint8_t* const* tiles;  // [rank_blocks][feature blocks], kTileAlignBytes each
};

inline int32_t FeatureBlocks(const LoraMatrix& matrix) {
  return (matrix.features + matrix.block_features - 1) / matrix.block_features;
}

// low = scaling * (A x). Token t's input starts at x + t * x_stride, its kTileRanks * rank_blocks
// results at low + t * low_stride.
struct LoraShrinkArgs {
  LoraMatrix a;
  float scaling;
  const float* x;
  int64_t x_stride;
  float* low;
  int64_t low_stride;
};

// y += B low; `features` of b are the outputs.
struct LoraExpandArgs {
  LoraMatrix b;
  const float* low;
  int64_t low_stride;
  float* y;  // element (t, r) at y[t * y_stride + r]
  int64_t y_stride;
};

// The values that quantised activations stand for, scale * (q - zero): what the int8 product of the
// base matrix takes is also what the adapter takes.
struct DequantizeArgs {
  const ActivationGroup* groups;  // [tokens, k / kGroup]
  int32_t k;                      // a multiple of kGroup
  float* x;                       // token t's at x + t * x_stride
  int64_t x_stride;
};

using DequantizeRowsFn = void (*)(const DequantizeArgs* args, int32_t token_begin,
                                  int32_t token_end);
using LoraShrinkFn = void (*)(const LoraShrinkArgs* args, int32_t token_begin, int32_t token_end);
// Computes the outputs of panels [panel_begin, panel_end), of kTileChunk outputs each.
struct LoraPiece {
  int32_t token_begin;
  int32_t token_end;
  int32_t panel_begin;
  int32_t panel_end;
};
using LoraExpandFn = void (*)(const LoraExpandArgs* args, const LoraPiece* piece);

}  // namespace fairlane
