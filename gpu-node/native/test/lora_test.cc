// Shrink and expand of every plug-in against double arithmetic: ranks that fill no tile, several
// blocks of features, outputs that fill no panel, f16 and int8 tiles; and to the bit the same for a
// token whatever tokens are computed with it. Also the floats of quantised activations.
#include "ops/lora.h"

#include <algorithm>
#include <cstring>

#include "ops/half.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 7;

struct Shape {
  TileType type;
  int32_t rank;
  int32_t features;
  int32_t block_features;
};

constexpr Shape kShapes[] = {{kTileF16, 8, 64, 64},     {kTileF16, 3, 96, 96},
                             {kTileF16, 16, 1536, 768}, {kTileF16, 33, 160, 96},
                             {kTileInt8, 8, 64, 64},    {kTileInt8, 5, 96, 64},
                             {kTileInt8, 20, 1536, 768}};

// A matrix in tiles, made here and not by adapter_pack.h, and the values that it stands for.
class TiledMatrix {
 public:
  TiledMatrix(const Shape& shape, Random* random) : shape_(shape) {
    const int32_t rank_blocks = (shape.rank + kTileRanks - 1) / kTileRanks;
    values_.resize(static_cast<size_t>(rank_blocks) * kTileRanks *
                   static_cast<size_t>(shape.features));
    const int32_t blocks = (shape.features + shape.block_features - 1) / shape.block_features;
    // Room to start each tile at a multiple of its alignment.
    storage_.resize(static_cast<size_t>(rank_blocks * blocks) *
                    (TileBytes(shape.type, shape.block_features) + 2 * kTileAlignBytes));
    auto* next = storage_.data();
    for (int32_t i = 0; i < rank_blocks * blocks; ++i) {
      const auto address = reinterpret_cast<uintptr_t>(next);
      next += (kTileAlignBytes - address % kTileAlignBytes) % kTileAlignBytes;
      const int32_t begin = i % blocks * shape.block_features;
      const int32_t count = std::min(shape.block_features, shape.features - begin);
      FillTile(next, i / blocks * kTileRanks, begin, count, random);
      tiles_.push_back(next);
      next += TileBytes(shape.type, count);
    }
    matrix_ = {shape.type, rank_blocks, shape.features, shape.block_features, tiles_.data()};
  }

  const LoraMatrix& matrix() const { return matrix_; }
  double At(int32_t rank, int32_t feature) const {
    return static_cast<double>(values_[static_cast<size_t>(rank * shape_.features + feature)]);
  }

 private:
  void FillTile(uint8_t* tile, int32_t first_rank, int32_t begin, int32_t count, Random* random) {
    auto* scales = reinterpret_cast<float*>(tile + TileElements(count));
    for (int32_t row = 0; row < kTileRanks; ++row) {
      const float scale = 0.01F * static_cast<float>(row + 1);
      if (shape_.type == kTileInt8) scales[row] = scale;
      if (first_rank + row >= shape_.rank) continue;
      for (int32_t i = 0; i < count; ++i) {
        const auto at =
            static_cast<size_t>((i / kTileChunk * kTileRanks + row) * kTileChunk + i % kTileChunk);
        float value;
        if (shape_.type == kTileF16) {
          const uint16_t half = FloatToHalf(random->Float());
          reinterpret_cast<uint16_t*>(tile)[at] = half;
          value = HalfToFloat(half);
        } else {
          const auto q = static_cast<int8_t>(random->Below(255) - 127);
          reinterpret_cast<int8_t*>(tile)[at] = q;
          value = scale * static_cast<float>(q);
        }
        values_[static_cast<size_t>((first_rank + row) * shape_.features + begin + i)] = value;
      }
    }
  }

  Shape shape_;
  std::vector<float> values_;  // [ranks, features]
  std::vector<uint8_t> storage_;
  std::vector<const uint8_t*> tiles_;
  LoraMatrix matrix_;
};

void ShrinkTest(const Backend& backend, const Shape& shape) {
  Random random(31);
  const TiledMatrix a(shape, &random);
  const int64_t x_stride = shape.features + 5;
  const int64_t low_stride = a.matrix().rank_blocks * kTileRanks + 3;
  const std::vector<float> x = random.Floats(static_cast<size_t>(kTokens * x_stride));
  std::vector<float> low(static_cast<size_t>(kTokens * low_stride), 7.0F);
  const LoraShrinkArgs args = {a.matrix(), 1.5F, x.data(), x_stride, low.data(), low_stride};
  backend.lora_shrink(&args, 0, kTokens);
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t r = 0; r < a.matrix().rank_blocks * kTileRanks; ++r) {
      double expected = 0.0;
      double size = 0.0;
      for (int32_t i = 0; i < shape.features; ++i) {
        const double product =
            a.At(r, i) * static_cast<double>(x[static_cast<size_t>(t * x_stride + i)]);
        expected += product;
        size += std::fabs(product);
      }
      const auto got = static_cast<double>(low[static_cast<size_t>(t * low_stride + r)]);
      CHECK_NEAR(got, 1.5 * expected, 2e-6 * size);
      if (r >= shape.rank) CHECK_EQ(got, 0.0);
    }
    CHECK_EQ(low[static_cast<size_t>((t + 1) * low_stride - 1)], 7.0F);
  }
  // Alone and in pairs each token gets the same bits.
  for (int32_t count = 1; count <= 2; ++count) {
    std::vector<float> again(low.size(), 7.0F);
    const LoraShrinkArgs same = {a.matrix(), 1.5F, x.data(), x_stride, again.data(), low_stride};
    for (int32_t t = 0; t < kTokens; t += count)
      backend.lora_shrink(&same, t, std::min(t + count, kTokens));
    CHECK(std::memcmp(again.data(), low.data(), low.size() * sizeof(float)) == 0);
  }
}

void ExpandTest(const Backend& backend, const Shape& full) {
  Random random(32);
  Shape shape = full;
  shape.features -= 24;  // the last panel has eight outputs
  const TiledMatrix b(shape, &random);
  const int64_t low_stride = b.matrix().rank_blocks * kTileRanks;
  const int64_t y_stride = shape.features + 9;
  const int32_t panels = PanelCount(shape.features);
  const std::vector<float> low = random.Floats(static_cast<size_t>(kTokens * low_stride));
  const std::vector<float> before = random.Floats(static_cast<size_t>(kTokens * y_stride));
  std::vector<float> y = before;
  const LoraExpandArgs args = {b.matrix(), low.data(), low_stride, y.data(), y_stride};
  const LoraPiece all = {0, kTokens, 0, panels};
  backend.lora_expand(&args, &all);
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t i = 0; i < y_stride; ++i) {
      const auto at = static_cast<size_t>(t * y_stride + i);
      double expected = static_cast<double>(before[at]);
      double size = std::fabs(expected);
      for (int32_t r = 0; i < shape.features && r < low_stride; ++r) {
        const double product =
            b.At(r, i) * static_cast<double>(low[static_cast<size_t>(t * low_stride + r)]);
        expected += product;
        size += std::fabs(product);
      }
      CHECK_NEAR(static_cast<double>(y[at]), expected, 2e-6 * size);
    }
  }
  std::vector<float> again = before;
  const LoraExpandArgs same = {b.matrix(), low.data(), low_stride, again.data(), y_stride};
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t panel = 0; panel < panels; ++panel) {
      const LoraPiece piece = {t, t + 1, panel, panel + 1};
      backend.lora_expand(&same, &piece);
    }
  }
  CHECK(std::memcmp(again.data(), y.data(), y.size() * sizeof(float)) == 0);
}

void DequantizeTest(const Backend& backend) {
  constexpr int32_t kK = 96;
  Random random(33);
  const std::vector<float> x = random.Floats(kTokens * kK);
  std::vector<ActivationGroup> groups(kTokens * kK / kGroup);
  const QuantizeArgs quantize = {x.data(), kK, kK, groups.data(), kK / kGroup};
  backend.quantize_rows(&quantize, 0, kTokens);
  std::vector<float> got(kTokens * kK);
  const DequantizeArgs args = {groups.data(), kK, got.data(), kK};
  backend.dequantize_rows(&args, 0, kTokens);
  for (size_t i = 0; i < got.size(); ++i) {
    const ActivationGroup& group = groups[i / kGroup];
    const int32_t step = group.q[i % kGroup] + group.minus_two_zero / 2;
    CHECK_EQ(got[i], group.scale * static_cast<float>(step));
    CHECK_NEAR(static_cast<double>(got[i]), static_cast<double>(x[i]), 2.0 / 254.0);
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    for (const fairlane::test::Shape& shape : fairlane::test::kShapes) {
      fairlane::test::ShrinkTest(backend, shape);
      fairlane::test::ExpandTest(backend, shape);
    }
    fairlane::test::DequantizeTest(backend);
    std::printf("lora on %s\n", backend.name);
  });
  return fairlane::test::Report("lora_test");
}
