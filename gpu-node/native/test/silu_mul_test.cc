// The gated activation of every plug-in against double arithmetic, with gates far out.
#include "ops/silu_mul.h"

#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 5;

void SiluMulTest(const Backend& backend) {
  constexpr int32_t kWidth = 96;
  Random random(17);
  std::vector<float> gate_up = random.Floats(kTokens * 2 * kWidth);
  for (size_t i = 0; i < gate_up.size(); ++i) gate_up[i] *= 10.0F;
  gate_up[0] = -200.0F;  // exp overflows: the product is 0, not NaN
  gate_up[1] = 200.0F;
  std::vector<float> y(kTokens * kWidth);
  const SiluMulArgs args = {gate_up.data(), y.data(), kWidth};
  backend.silu_mul(&args, 0, kTokens);
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t i = 0; i < kWidth; ++i) {
      const auto gate = static_cast<double>(gate_up[static_cast<size_t>(t * 2 * kWidth + i)]);
      const auto up =
          static_cast<double>(gate_up[static_cast<size_t>(t * 2 * kWidth + kWidth + i)]);
      const double expected = gate / (1.0 + std::exp(-gate)) * up;
      CHECK_NEAR(static_cast<double>(y[static_cast<size_t>(t * kWidth + i)]), expected,
                 1e-6 * std::fabs(expected) + 1e-5);
    }
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::SiluMulTest(backend);
    std::printf("silu_mul on %s\n", backend.name);
  });
  return fairlane::test::Report("silu_mul_test");
}
