// The bias of every plug-in: each row gets the same vector, rows outside the range stay.
#include "ops/add_bias.h"

#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 5;
constexpr int32_t kWidth = 200;

void AddBiasTest(const Backend& backend) {
  Random random(17);
  std::vector<float> x = random.Floats(kTokens * kWidth);
  const std::vector<float> before = x;
  const std::vector<float> bias = random.Floats(kWidth);
  const AddBiasArgs args = {x.data(), bias.data(), kWidth};
  backend.add_bias(&args, 1, kTokens - 1);
  for (int32_t t = 0; t < kTokens; ++t) {
    const bool inside = t >= 1 && t < kTokens - 1;
    for (int32_t i = 0; i < kWidth; ++i) {
      const auto at = static_cast<size_t>(t * kWidth + i);
      CHECK(x[at] == (inside ? before[at] + bias[static_cast<size_t>(i)] : before[at]));
    }
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::AddBiasTest(backend);
    std::printf("add_bias on %s\n", backend.name);
  });
  return fairlane::test::Report("add_bias_test");
}
