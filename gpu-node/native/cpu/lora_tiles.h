// Owns the arithmetic of the low-rank product (ops/lora.h) over the vectors of an ISA: `Lanes`
// gives a vector of kLanes floats and its operations, the number of tokens that share a tile's
// weights in registers, and how halves and bytes become floats. Invariant: what is done for one
// token does not depend on how many tokens are done at once.
#pragma once

#include <cstdint>
#include <type_traits>

#include "ops/lora.h"

namespace fairlane {

// One tile as a kernel sees it.
template <typename Element>
struct LoraTile {
  const Element* elements;
  const float* scales;  // [kTileRanks] with int8, null otherwise

  LoraTile(const uint8_t* data, int32_t features)
      : elements(reinterpret_cast<const Element*>(data)),
        scales(std::is_same_v<Element, int8_t>
                   ? reinterpret_cast<const float*>(data + TileElements(features))
                   : nullptr) {}
};

inline int32_t FeaturesOfBlock(const LoraMatrix& matrix, int32_t block) {
  const int32_t left = matrix.features - block * matrix.block_features;
  return left < matrix.block_features ? left : matrix.block_features;
}

template <typename Lanes, typename Element>
class LoraKernels {
 public:
  static void Shrink(const LoraShrinkArgs& args, int32_t token, int32_t token_end) {
    for (; token + Lanes::kShrinkTokens <= token_end; token += Lanes::kShrinkTokens)
      ShrinkTokens<Lanes::kShrinkTokens>(args, token);
    for (; token < token_end; ++token) ShrinkTokens<1>(args, token);
  }

  static void Expand(const LoraExpandArgs& args, const LoraPiece& piece) {
    for (int32_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
      int32_t token = piece.token_begin;
      for (; token + Lanes::kExpandTokens <= piece.token_end; token += Lanes::kExpandTokens)
        ExpandTokens<Lanes::kExpandTokens>(args, panel, token);
      for (; token < piece.token_end; ++token) ExpandTokens<1>(args, panel, token);
    }
  }

 private:
  using Vector = typename Lanes::Vector;
  static constexpr int kParts = kTileChunk / Lanes::kLanes;  // vectors of a chunk's row

  template <int T>
  static void ShrinkTokens(const LoraShrinkArgs& args, int32_t token) {
    const LoraMatrix& a = args.a;
    const int32_t blocks = FeatureBlocks(a);
    for (int32_t rank_block = 0; rank_block < a.rank_blocks; ++rank_block) {
      float sums[T][kTileRanks] = {};
      for (int32_t block = 0; block < blocks; ++block) {
        const int32_t features = FeaturesOfBlock(a, block);
        const LoraTile<Element> tile(a.tiles[rank_block * blocks + block], features);
        const float* x = args.x + token * args.x_stride + block * a.block_features;
        for (int32_t rank = 0; rank < kTileRanks; rank += Lanes::kShrinkRanks)
          ShrinkRanks<T>(tile, {x, args.x_stride, features / kTileChunk, rank}, sums);
      }
      for (int t = 0; t < T; ++t) {
        float* low = args.low + (token + t) * args.low_stride + rank_block * kTileRanks;
        for (int32_t rank = 0; rank < kTileRanks; ++rank) low[rank] = args.scaling * sums[t][rank];
      }
    }
  }

  // Part of a tile: kShrinkRanks ranks from `rank` on.
  struct ShrinkSpan {
    const float* x;
    int64_t x_stride;
    int32_t chunks;
    int32_t rank;
  };

  // Adds a tile's products to the sums of kShrinkRanks ranks.
  template <int T>
  static inline void ShrinkRanks(const LoraTile<Element>& tile, const ShrinkSpan& span,
                                 float (*sums)[kTileRanks]) {
    constexpr int kRanks = Lanes::kShrinkRanks;
    Vector dot[T][kRanks];
    for (int t = 0; t < T; ++t) {
      for (int r = 0; r < kRanks; ++r) dot[t][r] = Lanes::Zero();
    }
    const Element* row = tile.elements + span.rank * kTileChunk;
    for (int32_t chunk = 0; chunk < span.chunks; ++chunk, row += kTileRanks * kTileChunk) {
#pragma GCC unroll 8
      for (int part = 0; part < kParts; ++part) {
        Vector x[T];
        for (int t = 0; t < T; ++t)
          x[t] =
              Lanes::Load(span.x + t * span.x_stride + chunk * kTileChunk + part * Lanes::kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < kRanks; ++r) {
          const Vector w = Lanes::LoadElements(row + r * kTileChunk + part * Lanes::kLanes);
          for (int t = 0; t < T; ++t) dot[t][r] = Lanes::MulAdd(x[t], w, dot[t][r]);
        }
      }
    }
    for (int t = 0; t < T; ++t) {
      for (int r = 0; r < kRanks; ++r) {
        const float sum = Lanes::ReduceAdd(dot[t][r]);
        const int32_t rank = span.rank + r;
        sums[t][rank] += tile.scales == nullptr ? sum : sum * tile.scales[rank];
      }
    }
  }

  template <int T>
  static void ExpandTokens(const LoraExpandArgs& args, int32_t panel, int32_t token) {
    const LoraMatrix& b = args.b;
    const int32_t first = panel * kTileChunk;
    const int32_t block = first / b.block_features;
    const int32_t blocks = FeatureBlocks(b);
    const int32_t features = FeaturesOfBlock(b, block);
    const int32_t chunk = (first - block * b.block_features) / kTileChunk;
    Vector sum[T][kParts];
    for (int t = 0; t < T; ++t) {
      for (int part = 0; part < kParts; ++part) sum[t][part] = Lanes::Zero();
    }
    for (int32_t rank_block = 0; rank_block < b.rank_blocks; ++rank_block) {
      const LoraTile<Element> tile(b.tiles[rank_block * blocks + block], features);
      const Element* row = tile.elements + chunk * kTileRanks * kTileChunk;
      const float* low = args.low + token * args.low_stride + rank_block * kTileRanks;
#pragma GCC unroll 8
      for (int r = 0; r < kTileRanks; ++r) {
        Vector w[kParts];
        for (int part = 0; part < kParts; ++part)
          w[part] = Lanes::LoadElements(row + r * kTileChunk + part * Lanes::kLanes);
        for (int t = 0; t < T; ++t) {
          float factor = low[t * args.low_stride + r];
          if (tile.scales != nullptr) factor *= tile.scales[r];
          const Vector factors = Lanes::Set(factor);
          for (int part = 0; part < kParts; ++part)
            sum[t][part] = Lanes::MulAdd(w[part], factors, sum[t][part]);
        }
      }
    }
    for (int t = 0; t < T; ++t)
      AddTo(args.y + (token + t) * args.y_stride + first, b.features - first, sum[t]);
  }

  // The last panel may have fewer outputs.
  static inline void AddTo(float* y, int32_t outputs, const Vector* sum) {
    for (int part = 0; part < kParts; ++part) {
      float* to = y + part * Lanes::kLanes;
      const int32_t count = outputs - part * Lanes::kLanes;
      if (count >= Lanes::kLanes) {
        Lanes::Store(to, Lanes::Add(Lanes::Load(to), sum[part]));
        continue;
      }
      float values[Lanes::kLanes];
      Lanes::Store(values, sum[part]);
      for (int32_t i = 0; i < count; ++i) to[i] += values[i];
    }
  }
};

template <typename Lanes>
void ShrinkTokens(const LoraShrinkArgs& args, int32_t token_begin, int32_t token_end) {
  if (args.a.type == kTileF16) {
    LoraKernels<Lanes, uint16_t>::Shrink(args, token_begin, token_end);
  } else {
    LoraKernels<Lanes, int8_t>::Shrink(args, token_begin, token_end);
  }
}

template <typename Lanes>
void ExpandPanels(const LoraExpandArgs& args, const LoraPiece& piece) {
  if (args.b.type == kTileF16) {
    LoraKernels<Lanes, uint16_t>::Expand(args, piece);
  } else {
    LoraKernels<Lanes, int8_t>::Expand(args, piece);
  }
}

}  // namespace fairlane
