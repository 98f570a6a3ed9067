// Owns the linear layer in f32 of the vector plug-ins: a panel is [k][32 rows], and a tile is as
// many tokens as twelve registers of sums hold. An ISA brings its arithmetic `A`. Invariant: an
// output element is one chain of fused multiply-adds in ascending k, whatever the tile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ops/embed_tokens.h"
#include "ops/gemm.h"

namespace fairlane {

inline constexpr int32_t kF32Sums = 12;  // as many as hide the latency of a multiply-add

inline size_t F32PackedBytes(int32_t rows, int32_t k) {
  return static_cast<size_t>(PanelCount(rows)) * kPanelRows * static_cast<size_t>(k) *
         sizeof(float);
}

// Row 0 of a panel; row r of input i is at [i * kPanelRows + r].
inline float* F32PanelOf(const GemmWeights& weights, int32_t panel) {
  return static_cast<float*>(weights.data) +
         static_cast<size_t>(panel) * kPanelRows * static_cast<size_t>(weights.k);
}

inline void PackF32Panel(const GemmWeights& weights, int32_t panel, const void* const* rows) {
  float* const to = F32PanelOf(weights, panel);
  for (int32_t row = 0; row < kPanelRows; ++row) {
    const auto* from = static_cast<const float*>(rows[row]);
    for (int32_t i = 0; i < weights.k; ++i)
      to[static_cast<size_t>(i) * kPanelRows + row] = from == nullptr ? 0.0F : from[i];
  }
}

inline void ReadF32Row(const GemmWeights& table, int32_t row, float* y) {
  const float* const from = F32PanelOf(table, row / kPanelRows) + row % kPanelRows;
  for (int32_t i = 0; i < table.k; ++i) y[i] = from[static_cast<size_t>(i) * kPanelRows];
}

template <typename A>
class F32Panels {
 public:
  static constexpr int32_t kTileMax = kF32Sums / (kPanelRows / A::kLanes);

  static void Run(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
                  int32_t panel_begin, int32_t panel_end) {
    for (int32_t panel = panel_begin; panel < panel_end; ++panel) {
      const F32Panels panels = {weights, input, output, panel};
      for (int32_t token = 0; token < input.tokens;) {
        const int32_t tile = NextTile(*weights.tiles, input.tokens - token);
        panels.TileFor(tile, token);
        token += tile;
      }
    }
  }

 private:
  using Vector = typename A::Vector;
  static constexpr int kVectors = kPanelRows / A::kLanes;

  F32Panels(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
            int32_t panel)
      : weights_(weights), input_(input), output_(output), panel_(panel) {}

  void TileFor(int32_t tokens, int32_t token) const {
    switch (tokens) {
      case 6:
        return Tile<6>(token);
      case 5:
        return Tile<5>(token);
      case 4:
        return Tile<4>(token);
      case 3:
        return Tile<3>(token);
      case 2:
        return Tile<2>(token);
      default:
        return Tile<1>(token);
    }
  }

  template <int T>
  void Tile(int32_t token) const {
    if constexpr (T <= kTileMax) Sum<T>(token);
  }

  template <int T>
  void Sum(int32_t token) const {
    const int32_t k = weights_.k;
    const float* w = F32PanelOf(weights_, panel_);
    const float* const x = input_.x + static_cast<int64_t>(token) * k;
    Vector sum[T][kVectors];
    for (int t = 0; t < T; ++t)
      for (int v = 0; v < kVectors; ++v) sum[t][v] = A::Zero();
    for (int32_t i = 0; i < k; ++i, w += kPanelRows) {
      Vector rows[kVectors];
      for (int v = 0; v < kVectors; ++v) rows[v] = A::Load(w + v * A::kLanes);
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const Vector value = A::Set(x[static_cast<int64_t>(t) * k + i]);
        for (int v = 0; v < kVectors; ++v) sum[t][v] = A::MulAdd(rows[v], value, sum[t][v]);
      }
    }
    for (int t = 0; t < T; ++t)
      for (int v = 0; v < kVectors; ++v)
        Store(token + t, panel_ * kPanelRows + v * A::kLanes, sum[t][v]);
  }

  void Store(int32_t token, int32_t row, Vector y) const {
    const int32_t count = std::min<int32_t>(A::kLanes, weights_.rows - row);
    if (count <= 0) return;
    float* const to = output_.y + token * output_.stride + row;
    if (count == A::kLanes) {
      A::Store(to, output_.accumulate ? A::Add(A::LoadLoose(to), y) : y);
      return;
    }
    alignas(64) float values[A::kLanes];
    A::Store(values, y);
    for (int32_t i = 0; i < count; ++i) to[i] = output_.accumulate ? to[i] + values[i] : values[i];
  }

  const GemmWeights& weights_;
  const GemmInput& input_;
  const GemmOutput& output_;
  const int32_t panel_;
};

}  // namespace fairlane
