// Packs canonical rows into VNNI panels, and reads single rows back for the embedding look-up.
#include <cstring>

#include "cpu/avx512vnni/ops.h"
#include "cpu/avx512vnni/panel.h"
#include "cpu/f32_panel.h"
#include "ops/half.h"

namespace fairlane::avx512vnni {
namespace {

template <typename T>
T LoadAt(const uint8_t* group, size_t offset, int32_t row) {
  T value;
  std::memcpy(&value, group + offset + static_cast<size_t>(row) * sizeof(value), sizeof(value));
  return value;
}

void PackQ8Row(const Q8Group& source, int32_t row, uint8_t* group, uint8_t* sums) {
  int32_t sum = 0;
  for (const int8_t q : source.q) sum += q + 128;
  const auto narrow = static_cast<uint16_t>(sum);
  std::memcpy(sums + static_cast<size_t>(row) * sizeof(narrow), &narrow, sizeof(narrow));
  std::memcpy(group + static_cast<size_t>(row) * 2, &source.d, 2);
  for (int32_t i = 0; i < kGroup; ++i) {
    group[kQ8WeightsAt + static_cast<size_t>((i / 4) * kPanelRows * 4 + row * 4 + i % 4)] =
        static_cast<uint8_t>(source.q[i] + 128);
  }
}

void PackQ4Row(const Q4Group& source, int32_t row, uint8_t* group, uint8_t* pairs) {
  int32_t sum = 0;
  for (const uint8_t q : source.q) sum += (q & 15) + (q >> 4);
  const int16_t pair[2] = {static_cast<int16_t>(64 * sum), source.offset};
  std::memcpy(pairs + static_cast<size_t>(row) * sizeof(pair), pair, sizeof(pair));
  std::memcpy(group + static_cast<size_t>(row) * 2, &source.d, 2);
  std::memcpy(group + kScaleBytes + static_cast<size_t>(row) * 2, &source.offset, 2);
  for (int32_t i = 0; i < kGroup; ++i) {
    const int32_t q = i < kGroup / 2 ? source.q[i] & 15 : source.q[i - kGroup / 2] >> 4;
    uint8_t* byte =
        group + kQ4WeightsAt + static_cast<size_t>((i / 4) * 64 + (row % 16) * 4 + i % 4);
    *byte = static_cast<uint8_t>(*byte | (row < 16 ? q : q << 4));
  }
}

void ReadRow(const GemmWeights& table, int32_t token, float* y) {
  const int32_t row = token % kPanelRows;
  const uint8_t* group = PanelOf(table, token / kPanelRows);
  for (int32_t g = 0; g < table.k / kGroup; ++g, group += GroupBytes(table.format)) {
    const float d = HalfToFloat(LoadAt<uint16_t>(group, 0, row));
    const float offset = table.format == kWeightQ4
                             ? static_cast<float>(LoadAt<int16_t>(group, kScaleBytes, row)) /
                                   static_cast<float>(kOffsetSteps)
                             : -128.0F;
    for (int32_t i = 0; i < kGroup; ++i) {
      int32_t q;
      if (table.format == kWeightQ4) {
        const uint8_t byte =
            group[kQ4WeightsAt + static_cast<size_t>((i / 4) * 64 + (row % 16) * 4 + i % 4)];
        q = row < 16 ? byte & 15 : byte >> 4;
      } else {
        q = group[kQ8WeightsAt + static_cast<size_t>((i / 4) * kPanelRows * 4 + row * 4 + i % 4)];
      }
      y[g * kGroup + i] = d * (static_cast<float>(q) + offset);
    }
  }
}

}  // namespace

size_t PackedBytes(WeightFormat format, int32_t rows, int32_t k) {
  if (format == kWeightF32) return F32PackedBytes(rows, k);
  const size_t sum_bytes = SumBytes(format) * static_cast<size_t>(k / kGroup);
  return static_cast<size_t>(PanelCount(rows)) * (PanelBytes(format, k) + sum_bytes);
}

void PackPanel(const GemmWeights* weights, int32_t panel, const void* const* rows) {
  if (weights->format == kWeightF32) return PackF32Panel(*weights, panel, rows);
  uint8_t* group = PanelOf(*weights, panel);
  uint8_t* sums = SumsOf(*weights, panel);
  std::memset(group, 0, PanelBytes(weights->format, weights->k));
  std::memset(sums, 0, SumBytes(weights->format) * static_cast<size_t>(weights->k / kGroup));
  for (int32_t g = 0; g < weights->k / kGroup; ++g) {
    for (int32_t row = 0; row < kPanelRows; ++row) {
      if (rows[row] == nullptr) continue;
      if (weights->format == kWeightQ4) {
        PackQ4Row(static_cast<const Q4Group*>(rows[row])[g], row, group, sums);
      } else {
        PackQ8Row(static_cast<const Q8Group*>(rows[row])[g], row, group, sums);
      }
    }
    group += GroupBytes(weights->format);
    sums += SumBytes(weights->format);
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

}  // namespace fairlane::avx512vnni
