// Moving pages out of and into every plug-in's own layout: the canonical form has K and V where the
// contract says, and what went out comes back to the bit.
#include "ops/move_page.h"

#include <cstring>

#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kLayers = 2;
constexpr int32_t kHeads = 3;
constexpr int32_t kDim = 24;

void MovePageTest(const Backend& backend, KvType type) {
  const KvShape shape = {type, kLayers, kHeads, kDim};
  const size_t bytes = CanonicalPageBytes(shape);
  const auto element_bytes = static_cast<size_t>(type == kKvF16 ? 2 : 4);
  CHECK_EQ(bytes, size_t{kLayers} * kHeads * 2 * 16 * kDim * element_bytes);
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
    if (type == kKvF32) {
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

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::MovePageTest(backend, fairlane::kKvF16);
    if (backend.has_f32) fairlane::test::MovePageTest(backend, fairlane::kKvF32);
    std::printf("move_page on %s\n", backend.name);
  });
  return fairlane::test::Report("move_page_test");
}
