// Moving pages out of and into every plug-in's own layout: the canonical form has K and V where the
// contract says, and what went out comes back to the bit.
#include "ops/move_page.h"

#include <cstring>
#include <limits>

#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kLayers = 2;
constexpr int32_t kHeads = 3;
constexpr int32_t kDim = 24;

void MovePageTest(const Backend& backend, KvType type) {
  const KvShape shape = {type, kLayers, kHeads, kDim};
  const size_t bytes = CanonicalPageBytes(shape);
  // int8: with one scale for each K and V.
  const size_t token_bytes = type == kKvInt8 ? kDim + 4 : kDim * (type == kKvF16 ? 2 : 4);
  CHECK_EQ(bytes, size_t{kLayers} * kHeads * 2 * 16 * token_bytes);
  CHECK_EQ(backend.kv_page_bytes(&shape), bytes);
  std::vector<uint64_t> page_words(backend.kv_page_bytes(&shape) / sizeof(uint64_t));
  auto* page = reinterpret_cast<uint8_t*>(page_words.data());

  // What was appended, in the order of the canonical form.
  Random random(5);
  std::vector<float> values;
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    const std::vector<float> k = random.Floats(16 * kHeads * kDim);
    const std::vector<float> v = random.Floats(16 * kHeads * kDim);
    std::vector<uint8_t*> pages(16, page);
    std::vector<int32_t> offsets(16);
    for (int32_t t = 0; t < 16; ++t) offsets[static_cast<size_t>(t)] = t;
    const AppendKvArgs args = {shape,         layer,        k.data(),      v.data(),
                               kHeads * kDim, pages.data(), offsets.data()};
    backend.append_kv(&args, 0, 16);
    for (int32_t head = 0; head < kHeads; ++head) {
      for (const std::vector<float>* from : {&k, &v}) {
        for (int32_t t = 0; t < 16; ++t) {
          for (int32_t i = 0; i < kDim; ++i)
            values.push_back((*from)[static_cast<size_t>((t * kHeads + head) * kDim + i)]);
        }
      }
    }
  }
  std::vector<uint8_t> canonical(bytes, 0xAB);
  backend.export_page(&shape, page, canonical.data());
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == kKvInt8) {
      float scale = 0.0F;
      std::memcpy(&scale, canonical.data() + values.size() + i / kDim * 4, 4);
      const auto level = static_cast<int8_t>(canonical[i]);
      CHECK(scale > 0.0F && scale <= 1.0F / 127.0F);
      CHECK_NEAR(static_cast<double>(level) * static_cast<double>(scale),
                 static_cast<double>(values[i]), static_cast<double>(scale) * 0.501);
    } else if (type == kKvF32) {
      float stored = 0.0F;
      std::memcpy(&stored, canonical.data() + i * 4, 4);
      CHECK(stored == values[i]);
    } else {
      _Float16 stored = 0;
      std::memcpy(&stored, canonical.data() + i * 2, 2);
      CHECK_NEAR(static_cast<double>(stored), static_cast<double>(values[i]), 2e-3);
    }
  }
  std::vector<uint64_t> other(page_words.size(), ~uint64_t{0});
  backend.import_page(&shape, canonical.data(), reinterpret_cast<uint8_t*>(other.data()));
  CHECK(other == page_words);
}

// Zeros, values beyond all limits and values too small for a level keep their token finite, and
// leave the other token of the page alone.
void Int8EdgesTest(const Backend& backend) {
  const KvShape shape = {kKvInt8, 1, 1, 8};
  const float infinity = std::numeric_limits<float>::infinity();
  const struct {
    float values[8];
    float scale;
    int8_t levels[8];
  } cases[] = {
      {{0, 0, 0, 0, 0, 0, 0, 0}, 0.0F, {0, 0, 0, 0, 0, 0, 0, 0}},
      {{1e-35F, 0, 0, 0, 0, 0, 0, 0}, 0.0F, {0, 0, 0, 0, 0, 0, 0, 0}},
      {{-2, 1, 0.5F, 0, 2, 0.01F, -1, 0}, 2.0F / 127.0F, {-127, 64, 32, 0, 127, 1, -64, 0}},
      {{infinity, -infinity, 65504, 1e30F, -1e30F, 0, 1, -65504},
       65504.0F / 127.0F,
       {127, -127, 127, 127, -127, 0, 0, -127}},
  };
  for (const auto& test : cases) {
    std::vector<uint64_t> words(backend.kv_page_bytes(&shape) / sizeof(uint64_t), 0);
    auto* page = reinterpret_cast<uint8_t*>(words.data());
    const int32_t offset = 3;
    const AppendKvArgs args = {shape, 0, test.values, test.values, 8, &page, &offset};
    backend.append_kv(&args, 0, 1);
    std::vector<uint8_t> canonical(CanonicalPageBytes(shape));
    backend.export_page(&shape, page, canonical.data());
    for (size_t side = 0; side < 2; ++side) {
      float scales[16];
      std::memcpy(scales, canonical.data() + 2 * 16 * 8 + side * sizeof(scales), sizeof(scales));
      CHECK(scales[3] == test.scale);
      CHECK(scales[2] == 0.0F && scales[4] == 0.0F);
      CHECK(std::memcmp(canonical.data() + side * 16 * 8 + 3 * 8, test.levels, 8) == 0);
    }
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::MovePageTest(backend, fairlane::kKvF16);
    fairlane::test::MovePageTest(backend, fairlane::kKvInt8);
    fairlane::test::Int8EdgesTest(backend);
    fairlane::test::MovePageTest(backend, fairlane::kKvF32);
    std::printf("move_page on %s\n", backend.name);
  });
  return fairlane::test::Report("move_page_test");
}
