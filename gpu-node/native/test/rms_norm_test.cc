// The root-mean-square norm of every plug-in against double arithmetic, in place.
#include "ops/rms_norm.h"

#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 5;

void RmsNormTest(const Backend& backend) {
  constexpr int32_t kWidth = 576;
  Random random(11);
  std::vector<float> x = random.Floats(kTokens * kWidth);
  const std::vector<float> weight = random.Floats(kWidth);
  std::vector<double> expected;
  for (int32_t t = 0; t < kTokens; ++t) {
    double squares = 0.0;
    for (int32_t i = 0; i < kWidth; ++i)
      squares += std::pow(static_cast<double>(x[static_cast<size_t>(t * kWidth + i)]), 2);
    const double factor = 1.0 / std::sqrt(squares / kWidth + 1e-5);
    for (int32_t i = 0; i < kWidth; ++i) {
      expected.push_back(static_cast<double>(x[static_cast<size_t>(t * kWidth + i)]) * factor *
                         static_cast<double>(weight[static_cast<size_t>(i)]));
    }
  }
  const RmsNormArgs args = {x.data(), weight.data(), x.data(), kWidth, 1e-5F};  // in place
  backend.rms_norm(&args, 0, kTokens);
  for (size_t i = 0; i < x.size(); ++i) CHECK_NEAR(static_cast<double>(x[i]), expected[i], 2e-6);
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::RmsNormTest(backend);
    std::printf("rms_norm on %s\n", backend.name);
  });
  return fairlane::test::Report("rms_norm_test");
}
