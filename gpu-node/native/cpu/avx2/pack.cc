// Packs canonical rows into AVX2 panels, and reads single rows back for the embedding look-up.
#include <cstring>

#include "cpu/avx2/ops.h"
#include "cpu/avx2/panel.h"
#include "cpu/f32_panel.h"
#include "ops/half.h"

namespace fairlane::avx2 {
namespace {

void PackQ8Row(const Q8Group& source, int32_t row, uint8_t* group) {
  int32_t sum = 0;
  for (const int8_t q : source.q) sum += q;
  const auto narrow = static_cast<int16_t>(sum);
  std::memcpy(group + kQ8SumsAt + static_cast<size_t>(row) * sizeof(narrow), &narrow,
              sizeof(narrow));
  std::memcpy(group + static_cast<size_t>(row) * 2, &source.d, 2);
  for (int32_t i = 0; i < kGroup; ++i) {
    group[kQ8QuadsAt + static_cast<size_t>((i / 4) * 32 + row * 4 + i % 4)] =
        static_cast<uint8_t>(source.q[i]);
  }
}

// Place of the nibble of value i in row `row` of a half: its byte; rows 8-15 use the high nibble.
size_t NibbleAt(int32_t row, int32_t i) {
  return kQ4QuadsAt + static_cast<size_t>((i / 4) * 32 + (row % 8) * 4 + i % 4);
}

void PackQ4Row(const Q4Group& source, int32_t row, uint8_t* group) {
  int32_t sum = 0;
  for (const uint8_t q : source.q) sum += (q & 15) + (q >> 4);
  const int16_t pair[2] = {static_cast<int16_t>(64 * sum), source.offset};
  std::memcpy(group + kQ4PairsAt + static_cast<size_t>(row) * sizeof(pair), pair, sizeof(pair));
  std::memcpy(group + static_cast<size_t>(row) * 2, &source.d, 2);
  for (int32_t i = 0; i < kGroup; ++i) {
    const int32_t q = i < kGroup / 2 ? source.q[i] & 15 : source.q[i - kGroup / 2] >> 4;
    uint8_t* byte = group + NibbleAt(row, i);
    *byte = static_cast<uint8_t>(*byte | (row < 8 ? q : q << 4));
  }
}

void ReadRow(const GemmWeights& table, int32_t token, float* y) {
  const int32_t panel_row = token % kPanelRows;
  const int32_t row = panel_row % PartRows(table.format);
  const uint8_t* group = PartOf(table, token / kPanelRows, panel_row);
  for (int32_t g = 0; g < table.k / kGroup; ++g, group += GroupBytes(table.format)) {
    uint16_t half;
    std::memcpy(&half, group + static_cast<size_t>(row) * 2, sizeof(half));
    const float d = HalfToFloat(half);
    int16_t pair[2];
    std::memcpy(pair, group + kQ4PairsAt + static_cast<size_t>(row) * sizeof(pair), sizeof(pair));
    const float offset = static_cast<float>(pair[1]) / static_cast<float>(kOffsetSteps);
    for (int32_t i = 0; i < kGroup; ++i) {
      if (table.format == kWeightQ4) {
        const uint8_t byte = group[NibbleAt(row, i)];
        y[g * kGroup + i] = d * (static_cast<float>(row < 8 ? byte & 15 : byte >> 4) + offset);
      } else {
        const auto q = static_cast<int8_t>(
            group[kQ8QuadsAt + static_cast<size_t>((i / 4) * 32 + row * 4 + i % 4)]);
        y[g * kGroup + i] = d * static_cast<float>(q);
      }
    }
  }
}

}  // namespace

size_t PackedBytes(WeightFormat format, int32_t rows, int32_t k) {
  if (format == kWeightF32) return F32PackedBytes(rows, k);
  const auto parts =
      static_cast<size_t>(PanelCount(rows)) * static_cast<size_t>(kPanelRows / PartRows(format));
  return parts * PartBytes(format, k);
}

void PackPanel(const GemmWeights* weights, int32_t panel, const void* const* rows) {
  if (weights->format == kWeightF32) return PackF32Panel(*weights, panel, rows);
  for (int32_t row = 0; row < kPanelRows; ++row) {
    const int32_t part_row = row % PartRows(weights->format);
    uint8_t* group = PartOf(*weights, panel, row);
    if (part_row == 0) std::memset(group, 0, PartBytes(weights->format, weights->k));
    if (rows[row] == nullptr) continue;
    for (int32_t g = 0; g < weights->k / kGroup; ++g, group += GroupBytes(weights->format)) {
      if (weights->format == kWeightQ4) {
        PackQ4Row(static_cast<const Q4Group*>(rows[row])[g], part_row, group);
      } else {
        PackQ8Row(static_cast<const Q8Group*>(rows[row])[g], part_row, group);
      }
    }
  }
}

void EmbedTokens(const EmbedTokensArgs* args, int32_t token_begin, int32_t token_end) {
  for (int32_t t = token_begin; t < token_end; ++t) {
    float* const y = args->y + static_cast<int64_t>(t) * args->table->k;
    if (args->table->format == kWeightF32) {
      ReadF32Row(*args->table, args->token[t], y);
    } else {
      ReadRow(*args->table, args->token[t], y);
    }
  }
}

}  // namespace fairlane::avx2
