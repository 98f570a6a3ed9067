// The quantisation of activations of every plug-in: error bounds, zero points, sums, and groups of
// one sign or of zeros.
#include "ops/quantize_rows.h"

#include <algorithm>

#include "ops/gemm.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 5;

void QuantizeRowsTest(const Backend& backend) {
  constexpr int32_t kWidth = 96;
  Random random(7);
  std::vector<float> x = random.Floats(kTokens * kWidth);
  std::fill_n(x.begin() + kGroup, kGroup, 0.0F);  // a group of zeros
  for (int32_t i = 0; i < kGroup; ++i) {          // a one-sided group
    x[static_cast<size_t>(2 * kGroup + i)] = -0.25F * static_cast<float>(i);
  }
  const size_t groups = x.size() / kGroup;
  std::vector<int8_t> q(x.size(), 99);
  std::vector<float> scale(groups, -1.0F);
  std::vector<float> zero(groups, -1.0F);
  std::vector<int32_t> sum(groups, -1);
  std::vector<float> total(groups, -1.0F);
  const QuantizeArgs args = {x.data(),    kWidth,     q.data(),    scale.data(),
                             zero.data(), sum.data(), total.data()};
  backend.quantize_rows(&args, 0, 2);
  CHECK_EQ(static_cast<int>(q[2 * kWidth]), 99);  // rows outside the range stay
  backend.quantize_rows(&args, 2, kTokens);
  for (size_t g = 0; g < groups; ++g) {
    float low = 0.0F;
    float high = 0.0F;
    int32_t expected_sum = 0;
    for (size_t i = g * kGroup; i < (g + 1) * kGroup; ++i) {
      low = std::min(low, x[i]);
      high = std::max(high, x[i]);
      expected_sum += q[i];
      CHECK(q[i] >= -127);
      const auto step = static_cast<double>(scale[g]);
      const double value = step * (q[i] - static_cast<double>(zero[g]));
      // Half a step, or up to one at the upper end, where both ends' roundings meet.
      CHECK_NEAR(value, static_cast<double>(x[i]), (q[i] == 127 ? 1.001 : 0.501) * step);
    }
    CHECK_NEAR(static_cast<double>(scale[g]), static_cast<double>(high - low) / 254.0, 1e-8);
    CHECK_EQ(sum[g], expected_sum);
    CHECK(std::fabs(zero[g]) <= 127.0F && zero[g] == std::trunc(zero[g]));
    const auto zeros = static_cast<double>(zero[g]) * kGroup;
    CHECK_NEAR(static_cast<double>(total[g]), static_cast<double>(scale[g]) * (sum[g] - zeros),
               1e-4);
  }
  CHECK(scale[1] == 0.0F && total[1] == 0.0F);
  // All of -127 .. 127 serves the one-sided group, from -7.75 to 0.
  CHECK_EQ(static_cast<int>(q[2 * kGroup]), 127);
  CHECK_EQ(static_cast<int>(q[3 * kGroup - 1]), -127);
  CHECK_EQ(zero[2], 127.0F);
}

// Values that are not finite make no scale that is not, and nothing undefined.
void DamagedTest(const Backend& backend) {
  for (const float bad : {INFINITY, -INFINITY, NAN, 3e38F, -3e38F}) {
    std::vector<float> x(kGroup, 0.5F);
    x[5] = bad;
    x[6] = -bad;
    std::vector<int8_t> q(kGroup);
    float scale = -1.0F;
    float zero = -1.0F;
    float total = -1.0F;
    int32_t sum = -1;
    const QuantizeArgs args = {x.data(), kGroup, q.data(), &scale, &zero, &sum, &total};
    backend.quantize_rows(&args, 0, 1);
    CHECK(std::isfinite(scale) && std::isfinite(total));
    CHECK(std::fabs(zero) <= 127.0F);
    for (const int8_t value : q) CHECK(value >= -127);
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::QuantizeRowsTest(backend);
    fairlane::test::DamagedTest(backend);
    std::printf("quantize_rows on %s\n", backend.name);
  });
  return fairlane::test::Report("quantize_rows_test");
}
