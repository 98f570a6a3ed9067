// The row-wise ops of every plug-in (quantisation, norm, rotary embedding, gated activation)
// against double arithmetic.
#include <algorithm>

#include "ops/backend.h"
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
    fairlane::test::QuantizeRowsTest(backend);
    fairlane::test::RmsNormTest(backend);
    fairlane::test::RopeTest(backend);
    fairlane::test::SiluMulTest(backend);
    std::printf("quantize_rows, rms_norm, rope, silu_mul on %s\n", backend.name);
  });
  return fairlane::test::Report("row_ops_test");
}
