// The rotary embedding of every plug-in against double arithmetic; what lies between rows stays.
#include "ops/rope.h"

#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 5;

void RopeTest(const Backend& backend) {
  constexpr int32_t kHeads = 3;
  constexpr int32_t kDim = 24;
  constexpr int32_t kStride = kHeads * kDim + 5;
  Random random(13);
  std::vector<float> x = random.Floats(kTokens * kStride);
  const std::vector<float> before = x;
  std::vector<float> cosine;
  std::vector<float> sine;
  for (int32_t i = 0; i < kTokens * kDim / 2; ++i) {
    cosine.push_back(static_cast<float>(std::cos(0.1 * i)));
    sine.push_back(static_cast<float>(std::sin(0.1 * i)));
  }
  const RopeArgs args = {x.data(), kStride, kHeads, kDim, cosine.data(), sine.data()};
  backend.rope(&args, 0, kTokens);
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t h = 0; h < kHeads; ++h) {
      for (int32_t i = 0; i < kDim / 2; ++i) {
        const auto low = static_cast<size_t>(t * kStride + h * kDim + i);
        const size_t high = low + kDim / 2;
        const double c = std::cos(0.1 * (t * kDim / 2 + i));
        const double s = std::sin(0.1 * (t * kDim / 2 + i));
        const auto a = static_cast<double>(before[low]);
        const auto b = static_cast<double>(before[high]);
        CHECK_NEAR(static_cast<double>(x[low]), a * c - b * s, 1e-6);
        CHECK_NEAR(static_cast<double>(x[high]), b * c + a * s, 1e-6);
      }
    }
    for (int32_t i = kHeads * kDim; i < kStride; ++i) {
      CHECK(x[static_cast<size_t>(t * kStride + i)] ==
            before[static_cast<size_t>(t * kStride + i)]);
    }
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::RopeTest(backend);
    std::printf("rope on %s\n", backend.name);
  });
  return fairlane::test::Report("rope_test");
}
