// The norm of heads of every plug-in against double arithmetic; what lies between rows stays.
#include "ops/head_norm.h"

#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 5;
constexpr int32_t kHeads = 3;
constexpr int32_t kDim = 24;
constexpr int32_t kStride = kHeads * kDim + 5;

void HeadNormTest(const Backend& backend) {
  Random random(19);
  std::vector<float> x = random.Floats(kTokens * kStride);
  const std::vector<float> before = x;
  const std::vector<float> weight = random.Floats(kDim);
  const HeadNormArgs args = {x.data(), kStride, kHeads, kDim, weight.data(), 1e-5F};
  backend.head_norm(&args, 0, kTokens);
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t h = 0; h < kHeads; ++h) {
      const auto head = static_cast<size_t>(t * kStride + h * kDim);
      double squares = 0.0;
      for (size_t i = 0; i < kDim; ++i)
        squares += std::pow(static_cast<double>(before[head + i]), 2);
      const double factor = 1.0 / std::sqrt(squares / kDim + 1e-5);
      for (size_t i = 0; i < kDim; ++i) {
        const double expected =
            static_cast<double>(before[head + i]) * factor * static_cast<double>(weight[i]);
        CHECK_NEAR(static_cast<double>(x[head + i]), expected, 1e-6);
      }
    }
    for (int32_t i = kHeads * kDim; i < kStride; ++i) {
      const auto at = static_cast<size_t>(t * kStride + i);
      CHECK(x[at] == before[at]);
    }
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::HeadNormTest(backend);
    std::printf("head_norm on %s\n", backend.name);
  });
  return fairlane::test::Report("head_norm_test");
}
