// The linear layer of every plug-in against double arithmetic, and the promise that a token's
// result does not depend on how many tokens it is computed with.
#include "ops/gemm.h"

#include <algorithm>
#include <cstring>

#include "ops/half.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr float kUntouched = 12345.0F;
constexpr int32_t kTokens = 13;

struct Case {
  WeightFormat format;
  int32_t rows;
  int32_t k;
};

// Random weights as canonical rows, with the values they stand for.
struct Weights {
  std::vector<std::vector<uint8_t>> rows;
  std::vector<double> values;  // [rows, k]
};

Weights RandomWeights(const Case& c, Random* random) {
  Weights weights;
  const auto groups = static_cast<size_t>(c.k / kGroup);
  for (int32_t row = 0; row < c.rows; ++row) {
    std::vector<uint8_t> bytes;
    if (c.format == kWeightF32) {
      const std::vector<float> values = random->Floats(static_cast<size_t>(c.k));
      bytes.resize(values.size() * sizeof(float));
      std::memcpy(bytes.data(), values.data(), bytes.size());
      weights.values.insert(weights.values.end(), values.begin(), values.end());
    }
    for (size_t g = 0; g < groups && c.format == kWeightQ8; ++g) {
      Q8Group group;
      group.d = FloatToHalf(0.01F + 0.02F * std::fabs(random->Float()));
      for (int8_t& q : group.q) q = static_cast<int8_t>(random->Below(256) - 128);
      for (const int8_t q : group.q)
        weights.values.push_back(static_cast<double>(HalfToFloat(group.d)) * q);
      const auto* from = reinterpret_cast<const uint8_t*>(&group);
      bytes.insert(bytes.end(), from, from + sizeof(group));
    }
    for (size_t g = 0; g < groups && c.format == kWeightQ4; ++g) {
      Q4Group group;
      group.d = FloatToHalf(0.1F * std::fabs(random->Float()));
      group.offset = static_cast<int16_t>(random->Below(65535) - 32767);
      for (uint8_t& q : group.q) q = static_cast<uint8_t>(random->Below(256));
      for (int32_t i = 0; i < kGroup; ++i) {
        const int32_t q = i < 16 ? group.q[i] & 15 : group.q[i - 16] >> 4;
        weights.values.push_back(static_cast<double>(HalfToFloat(group.d)) *
                                 (q + static_cast<double>(group.offset) / kOffsetSteps));
      }
      const auto* from = reinterpret_cast<const uint8_t*>(&group);
      bytes.insert(bytes.end(), from, from + sizeof(group));
    }
    weights.rows.push_back(bytes);
  }
  return weights;
}

struct Inputs {
  std::vector<float> x;
  std::vector<ActivationGroup> groups;

  GemmInput From(int32_t token, int32_t tokens, int32_t k) const {
    const auto at = static_cast<size_t>(token) * static_cast<size_t>(k);
    return {tokens, &x[at], &groups[at / kGroup]};
  }
  // The value that the weights' format sees.
  double At(WeightFormat format, size_t i) const {
    if (format == kWeightF32) return static_cast<double>(x[i]);
    const ActivationGroup& group = groups[i / kGroup];
    return static_cast<double>(group.scale) * (group.q[i % kGroup] + group.minus_two_zero / 2.0);
  }
};

Inputs RandomInputs(int32_t k, Random* random) {
  Inputs inputs;
  const auto count = static_cast<size_t>(kTokens) * static_cast<size_t>(k);
  inputs.x = random->Floats(count);
  for (size_t g = 0; g < count / kGroup; ++g) {
    ActivationGroup group = {};
    group.scale = g % 7 == 3 ? 0.0F : 0.02F * std::fabs(random->Float());
    const int32_t zero = random->Below(255) - 127;
    int32_t total = 0;
    for (int8_t& q : group.q) {
      q = static_cast<int8_t>(random->Below(255) - 127);
      total += q - zero;
    }
    group.minus_two_zero = static_cast<int16_t>(-2 * zero);
    group.total = static_cast<int16_t>(total);
    inputs.groups.push_back(group);
  }
  return inputs;
}

void CheckOutput(const Case& c, const Weights& weights, const Inputs& inputs,
                 const std::vector<float>& y, float start) {
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t row = 0; row < c.rows; ++row) {
      double expected = static_cast<double>(start);
      double magnitude = std::fabs(expected);
      double steps = 0.0;  // the largest that rounding down of a Q4 group's integer takes away
      for (int32_t i = 0; i < c.k; ++i) {
        const double term = weights.values[static_cast<size_t>(row) * static_cast<size_t>(c.k) +
                                           static_cast<size_t>(i)] *
                            inputs.At(c.format, static_cast<size_t>(t) * static_cast<size_t>(c.k) +
                                                    static_cast<size_t>(i));
        if (c.format == kWeightQ4 && i % kGroup == 0) {
          const auto group = static_cast<size_t>((t * c.k + i) / kGroup);
          steps += 0.1 / 16.0 * static_cast<double>(inputs.groups[group].scale);
        }
        expected += term;
        magnitude += std::fabs(term);
      }
      CHECK_NEAR(static_cast<double>(y[static_cast<size_t>(t * (c.rows + 3) + row)]), expected,
                 2e-6 * magnitude + steps + 1e-9);
    }
    for (int32_t i = 0; i < 3; ++i)
      CHECK(y[static_cast<size_t>(t * (c.rows + 3) + c.rows + i)] == kUntouched);
  }
}

void RunCase(const Backend& backend, const Case& c, uint64_t seed) {
  Random random(seed);
  const Weights weights = RandomWeights(c, &random);
  const Inputs inputs = RandomInputs(c.k, &random);
  const size_t bytes = backend.packed_bytes(c.format, c.rows, c.k);
  CHECK(bytes > 0);
  void* data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  GemmWeights packed = {c.format, c.rows, c.k, data, &backend.tiles[c.format]};
  for (int32_t panel = 0; panel < PanelCount(c.rows); ++panel) {
    const void* rows[kPanelRows] = {};
    for (int32_t i = 0; i < kPanelRows && panel * kPanelRows + i < c.rows; ++i) {
      rows[i] = weights.rows[static_cast<size_t>(panel * kPanelRows + i)].data();
    }
    backend.pack_panel(&packed, panel, rows);
  }
  const int64_t stride = c.rows + 3;
  const auto size = static_cast<size_t>(kTokens * stride);
  std::vector<float> y(size, kUntouched);
  const GemmInput all = inputs.From(0, kTokens, c.k);
  const GemmOutput output = {y.data(), stride, false};
  backend.gemm(&packed, &all, &output, 0, PanelCount(c.rows));
  CheckOutput(c, weights, inputs, y, 0.0F);

  for (int32_t count = 1; count < kTokens; ++count) {  // every token count gives the same bits
    std::vector<float> part(static_cast<size_t>(count * stride), kUntouched);
    const GemmInput some = inputs.From(kTokens - count, count, c.k);
    const GemmOutput part_output = {part.data(), stride, false};
    backend.gemm(&packed, &some, &part_output, 0, PanelCount(c.rows));
    CHECK(std::memcmp(part.data(), &y[static_cast<size_t>((kTokens - count) * stride)],
                      part.size() * sizeof(float)) == 0);
  }

  for (int32_t tile = 1; tile <= backend.tile_max[c.format]; ++tile) {  // so does every tile
    TileTable tiles = {};
    for (int32_t left = 1; left <= kTileTableTokens; ++left)
      tiles.next[left] = static_cast<uint8_t>(std::min(tile, left));
    packed.tiles = &tiles;
    std::vector<float> tiled(size, kUntouched);
    const GemmOutput tiled_output = {tiled.data(), stride, false};
    backend.gemm(&packed, &all, &tiled_output, 0, PanelCount(c.rows));
    CHECK(std::memcmp(tiled.data(), y.data(), size * sizeof(float)) == 0);
    packed.tiles = &backend.tiles[c.format];
  }

  std::vector<float> sum(size, 0.5F);
  for (int32_t t = 0; t < kTokens; ++t)
    std::fill_n(&sum[static_cast<size_t>(t * stride + c.rows)], 3, kUntouched);
  const GemmOutput accumulating = {sum.data(), stride, true};
  backend.gemm(&packed, &all, &accumulating, 0, PanelCount(c.rows));
  CheckOutput(c, weights, inputs, sum, 0.5F);

  const int32_t tokens[2] = {c.rows - 1, 0};
  std::vector<float> embedded(static_cast<size_t>(2 * c.k));
  const EmbedTokensArgs embed = {&packed, tokens, embedded.data()};
  backend.embed_tokens(&embed, 0, 2);
  for (size_t i = 0; i < embedded.size(); ++i) {
    const size_t row = static_cast<size_t>(tokens[i / static_cast<size_t>(c.k)]);
    const double expected =
        weights.values[row * static_cast<size_t>(c.k) + i % static_cast<size_t>(c.k)];
    CHECK_NEAR(static_cast<double>(embedded[i]), expected, 1e-6 * std::fabs(expected) + 4e-6);
  }
  std::free(data);
}

}  // namespace
}  // namespace fairlane::test

int main() {
  using namespace fairlane;
  test::ForEachPlugin([](const Backend& backend) {
    uint64_t seed = 1;
    for (const WeightFormat format : {kWeightQ8, kWeightQ4, kWeightF32}) {
      for (const int32_t rows : {1, 7, 16, 31, 32, 33, 48, 100}) {
        for (const int32_t k : {32, 96, 576}) test::RunCase(backend, {format, rows, k}, seed++);
      }
    }
    std::printf("gemm, embed_tokens on %s: %llu cases\n", backend.name,
                static_cast<unsigned long long>(seed - 1));
  });
  return test::Report("gemm_test");
}
