// The linear layer without ISA extensions: f32 on de-quantised weights (the oracle) and scalar
// int8. f32 panels: two half-panels of [k][16 rows]. int8 panels: row by row, groups of {d, offset,
// sum, 32 bytes}.
#include <cstring>

#include "cpu/generic/ops.h"
#include "ops/half.h"

namespace fairlane::generic {
namespace {

constexpr int32_t kByteTileMax = 4;

constexpr int32_t kHalfPanel = 16;
// Four floats; the compiler maps them to whatever the target has.
typedef float Float4 __attribute__((vector_size(16)));

struct ByteGroup {
  float d;
  int32_t offset;  // Q4 only
  int32_t sum;     // of q
  int8_t q[kGroup];
};

size_t PanelBytes(WeightFormat format, int32_t k) {
  const size_t row_bytes = format == kWeightF32
                               ? sizeof(float) * static_cast<size_t>(k)
                               : sizeof(ByteGroup) * static_cast<size_t>(k / kGroup);
  return row_bytes * kPanelRows;
}

uint8_t* PanelOf(const GemmWeights& weights, int32_t panel) {
  return static_cast<uint8_t*>(weights.data) +
         static_cast<size_t>(panel) * PanelBytes(weights.format, weights.k);
}

void PackF32(float* panel, int32_t k, const void* const* rows) {
  for (int32_t row = 0; row < kPanelRows; ++row) {
    float* half =
        panel + static_cast<size_t>(row / kHalfPanel) * kHalfPanel * static_cast<size_t>(k);
    const auto* source = static_cast<const float*>(rows[row]);
    for (int32_t i = 0; i < k; ++i) {
      half[static_cast<size_t>(i) * kHalfPanel + row % kHalfPanel] =
          source == nullptr ? 0.0F : source[i];
    }
  }
}

ByteGroup Unpack(WeightFormat format, const void* row, int32_t group) {
  ByteGroup out = {};
  if (row == nullptr) return out;
  if (format == kWeightQ8) {
    const Q8Group& source = static_cast<const Q8Group*>(row)[group];
    out.d = HalfToFloat(source.d);
    std::memcpy(out.q, source.q, sizeof(out.q));
    for (const int8_t q : out.q) out.sum += q;
    return out;
  }
  const Q4Group& source = static_cast<const Q4Group*>(row)[group];
  out.d = HalfToFloat(source.d);
  out.offset = source.offset;
  for (int32_t j = 0; j < kGroup / 2; ++j) {
    out.q[j] = static_cast<int8_t>(source.q[j] & 15);
    out.q[j + kGroup / 2] = static_cast<int8_t>(source.q[j] >> 4);
  }
  for (const int8_t q : out.q) out.sum += q;
  return out;
}

void Store(const GemmOutput& output, int64_t token, int32_t row, float value) {
  float* y = output.y + token * output.stride + row;
  *y = output.accumulate ? *y + value : value;
}

// Tokens [token, token + T) against one half-panel.
template <int T>
void F32HalfPanel(const float* half, const GemmWeights& weights, const GemmInput& input,
                  const GemmOutput& output, int32_t token, int32_t first_row) {
  const int32_t k = weights.k;
  const float* x = input.x + static_cast<int64_t>(token) * k;
  Float4 sum[T][4] = {};
  for (int32_t i = 0; i < k; ++i) {
    const auto* w = reinterpret_cast<const Float4*>(half + static_cast<size_t>(i) * kHalfPanel);
    for (int t = 0; t < T; ++t) {
      const float value = x[static_cast<int64_t>(t) * k + i];
      for (int j = 0; j < 4; ++j) sum[t][j] += w[j] * value;
    }
  }
  const int32_t rows =
      weights.rows - first_row < kHalfPanel ? weights.rows - first_row : kHalfPanel;
  for (int t = 0; t < T; ++t) {
    for (int32_t row = 0; row < rows; ++row) {
      Store(output, token + t, first_row + row, sum[t][row / 4][row % 4]);
    }
  }
}

void F32Panel(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
              int32_t panel) {
  const auto* data = reinterpret_cast<const float*>(PanelOf(weights, panel));
  for (int32_t half = 0; half < kPanelRows / kHalfPanel; ++half) {
    const int32_t first_row = panel * kPanelRows + half * kHalfPanel;
    if (first_row >= weights.rows) return;
    const float* w = data + static_cast<size_t>(half) * kHalfPanel * static_cast<size_t>(weights.k);
    for (int32_t token = 0; token < input.tokens;) {
      const int32_t tile = NextTile(*weights.tiles, input.tokens - token);
      if (tile == 3) F32HalfPanel<3>(w, weights, input, output, token, first_row);
      if (tile == 2) F32HalfPanel<2>(w, weights, input, output, token, first_row);
      if (tile == 1) F32HalfPanel<1>(w, weights, input, output, token, first_row);
      token += tile;
    }
  }
}

// Exact in 32 bits. Sixteen-bit factors let the compiler use a multiply-add of pairs where there is
// one.
int32_t DotGroup(const int16_t* w, const int8_t* x) {
  int32_t dot = 0;
  for (int32_t i = 0; i < kGroup; ++i)
    dot += static_cast<int32_t>(w[i]) * static_cast<int16_t>(x[i]);
  return dot;
}

// What offset and zero point add to 16 times the dot product of a Q4 group.
int32_t Q4Correction(const ByteGroup& w, const ActivationGroup& x) {
  return (64 * w.sum * x.minus_two_zero + w.offset * x.total) >> 3;
}

// One row against tokens [token, token + T).
template <int T>
void ByteRow(WeightFormat format, const ByteGroup* row, const GemmInput& input, int32_t token,
             int32_t groups, float* total) {
  for (int t = 0; t < T; ++t) total[t] = 0.0F;
  for (int32_t group = 0; group < groups; ++group) {
    int16_t w[kGroup];
    for (int32_t i = 0; i < kGroup; ++i) w[i] = row[group].q[i];
    for (int t = 0; t < T; ++t) {
      const ActivationGroup& x = input.groups[static_cast<int64_t>(token + t) * groups + group];
      const int32_t dot = DotGroup(w, x.q);
      const int32_t product = format == kWeightQ4 ? 16 * dot + Q4Correction(row[group], x)
                                                  : dot + x.minus_two_zero / 2 * row[group].sum;
      total[t] += (row[group].d * x.scale) * static_cast<float>(product);
    }
  }
  if (format != kWeightQ4) return;
  for (int t = 0; t < T; ++t) total[t] *= 1.0F / 16.0F;
}

void BytePanel(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
               int32_t panel) {
  const int32_t groups = weights.k / kGroup;
  const auto* data = reinterpret_cast<const ByteGroup*>(PanelOf(weights, panel));
  const int32_t first_row = panel * kPanelRows;
  const int32_t rows =
      weights.rows - first_row < kPanelRows ? weights.rows - first_row : kPanelRows;
  for (int32_t row = 0; row < rows; ++row) {
    const ByteGroup* groups_of_row = data + static_cast<size_t>(row) * static_cast<size_t>(groups);
    float total[kByteTileMax];
    for (int32_t token = 0; token < input.tokens;) {
      const int32_t tile = NextTile(*weights.tiles, input.tokens - token);
      if (tile == 4) ByteRow<4>(weights.format, groups_of_row, input, token, groups, total);
      if (tile == 3) ByteRow<3>(weights.format, groups_of_row, input, token, groups, total);
      if (tile == 2) ByteRow<2>(weights.format, groups_of_row, input, token, groups, total);
      if (tile == 1) ByteRow<1>(weights.format, groups_of_row, input, token, groups, total);
      for (int t = 0; t < tile; ++t) Store(output, token + t, first_row + row, total[t]);
      token += tile;
    }
  }
}

}  // namespace

const TileTable kTiles[kWeightFormatCount] = {
    {{0, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}},
    {{0, 1, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}},
    {{0, 1, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}},
};
const int32_t kTileMax[kWeightFormatCount] = {3, kByteTileMax, kByteTileMax};

size_t PackedBytes(WeightFormat format, int32_t rows, int32_t k) {
  return static_cast<size_t>(PanelCount(rows)) * PanelBytes(format, k);
}

void PackPanel(const GemmWeights* weights, int32_t panel, const void* const* rows) {
  uint8_t* data = PanelOf(*weights, panel);
  if (weights->format == kWeightF32) {
    PackF32(reinterpret_cast<float*>(data), weights->k, rows);
    return;
  }
  const int32_t groups = weights->k / kGroup;
  auto* out = reinterpret_cast<ByteGroup*>(data);
  for (int32_t row = 0; row < kPanelRows; ++row) {
    for (int32_t group = 0; group < groups; ++group)
      *out++ = Unpack(weights->format, rows[row], group);
  }
}

void Gemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
          int32_t panel_begin, int32_t panel_end) {
  for (int32_t panel = panel_begin; panel < panel_end; ++panel) {
    if (weights->format == kWeightF32) {
      F32Panel(*weights, *input, *output, panel);
    } else {
      BytePanel(*weights, *input, *output, panel);
    }
  }
}

void EmbedTokens(const EmbedTokensArgs* args, int32_t token_begin, int32_t token_end) {
  const GemmWeights& table = *args->table;
  for (int32_t t = token_begin; t < token_end; ++t) {
    const int32_t row = args->token[t] % kPanelRows;
    const uint8_t* panel = PanelOf(table, args->token[t] / kPanelRows);
    float* y = args->y + static_cast<int64_t>(t) * table.k;
    if (table.format == kWeightF32) {
      const float* half =
          reinterpret_cast<const float*>(panel) +
          static_cast<size_t>(row / kHalfPanel) * kHalfPanel * static_cast<size_t>(table.k);
      for (int32_t i = 0; i < table.k; ++i)
        y[i] = half[static_cast<size_t>(i) * kHalfPanel + row % kHalfPanel];
      continue;
    }
    const int32_t groups = table.k / kGroup;
    const ByteGroup* group = reinterpret_cast<const ByteGroup*>(panel) +
                             static_cast<size_t>(row) * static_cast<size_t>(groups);
    for (int32_t g = 0; g < groups; ++g) {
      for (int32_t i = 0; i < kGroup; ++i) {
        const float offset = static_cast<float>(group[g].offset) / static_cast<float>(kOffsetSteps);
        y[g * kGroup + i] = group[g].d * (static_cast<float>(group[g].q[i]) + offset);
      }
    }
  }
}

}  // namespace fairlane::generic
