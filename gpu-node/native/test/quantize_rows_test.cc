// The quantisation of activations of every plug-in: error bounds, zero points, sums, and groups of
// one sign or of zeros; alone and fused with what makes the values.
#include "ops/quantize_rows.h"

#include <algorithm>

#include "ops/gemm.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kTokens = 5;
constexpr int32_t kWidth = 96;
constexpr int32_t kGroups = kWidth / kGroup;

double ValueAt(const ActivationGroup& group, size_t i) {
  return static_cast<double>(group.scale) * (group.q[i] + group.minus_two_zero / 2.0);
}

// A group stands for its 32 values: half a step off, or up to one at the upper end, where both
// ends' roundings meet. `slack` is what the values themselves may be off.
void CheckGroup(const ActivationGroup& group, const double* x, double slack) {
  double low = 0.0;
  double high = 0.0;
  double sum = 0.0;
  const auto step = static_cast<double>(group.scale);
  for (size_t i = 0; i < kGroup; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    sum += group.q[i] + group.minus_two_zero / 2.0;
    CHECK(group.q[i] >= -127);
    CHECK_NEAR(ValueAt(group, i), x[i], (group.q[i] == 127 ? 1.001 : 0.501) * step + slack);
  }
  CHECK_NEAR(step, (high - low) / 254.0, 1e-8 + slack);
  CHECK_EQ(static_cast<double>(group.total), sum);
  CHECK(std::abs(group.minus_two_zero) <= 254 && group.minus_two_zero % 2 == 0);
}

void QuantizeRowsTest(const Backend& backend) {
  constexpr int64_t kStride = kWidth + 7;
  Random random(7);
  std::vector<float> x = random.Floats(kTokens * kStride);
  std::fill_n(x.begin() + kGroup, kGroup, 0.0F);  // a group of zeros
  for (int32_t i = 0; i < kGroup; ++i) {          // a one-sided group
    x[static_cast<size_t>(2 * kGroup + i)] = -0.25F * static_cast<float>(i);
  }
  ActivationGroup untouched = {};
  untouched.total = 99;
  constexpr int64_t kGroupStride = kGroups + 1;
  std::vector<ActivationGroup> groups(kTokens * kGroupStride, untouched);
  const QuantizeArgs args = {x.data(), kStride, kWidth, groups.data(), kGroupStride};
  backend.quantize_rows(&args, 0, 2);
  CHECK_EQ(groups[2 * kGroupStride].total, 99);  // rows outside the range stay
  backend.quantize_rows(&args, 2, kTokens);
  for (int32_t t = 0; t < kTokens; ++t) {
    for (int32_t g = 0; g < kGroups; ++g) {
      double values[kGroup];
      for (int32_t i = 0; i < kGroup; ++i)
        values[i] = static_cast<double>(x[static_cast<size_t>(t * kStride + g * kGroup + i)]);
      CheckGroup(groups[static_cast<size_t>(t * kGroupStride + g)], values, 0.0);
    }
    CHECK_EQ(groups[static_cast<size_t>((t + 1) * kGroupStride - 1)].total, 99);
  }
  CHECK(groups[1].scale == 0.0F && groups[1].total == 0);
  // All of -127 .. 127 serves the one-sided group, from -7.75 to 0.
  CHECK_EQ(static_cast<int>(groups[2].q[0]), 127);
  CHECK_EQ(static_cast<int>(groups[2].q[kGroup - 1]), -127);
  CHECK_EQ(static_cast<int>(groups[2].minus_two_zero), -254);
}

void NormQuantizeTest(const Backend& backend) {
  Random random(8);
  const std::vector<float> x = random.Floats(kTokens * kWidth);
  const std::vector<float> weight = random.Floats(kWidth);
  std::vector<ActivationGroup> groups(kTokens * kGroups);
  const NormQuantizeArgs args = {x.data(), weight.data(), kWidth, 1e-5F, groups.data()};
  backend.norm_quantize(&args, 0, kTokens);
  for (size_t t = 0; t < kTokens; ++t) {
    double squares = 0.0;
    double normed[kWidth];
    for (size_t i = 0; i < kWidth; ++i) {
      normed[i] = static_cast<double>(x[t * kWidth + i]);
      squares += normed[i] * normed[i];
    }
    const double factor = 1.0 / std::sqrt(squares / kWidth + 1e-5);
    for (size_t i = 0; i < kWidth; ++i) normed[i] *= factor * static_cast<double>(weight[i]);
    for (size_t g = 0; g < kGroups; ++g)
      CheckGroup(groups[t * kGroups + g], normed + g * kGroup, 1e-6);
  }
}

void SiluQuantizeTest(const Backend& backend) {
  Random random(9);
  std::vector<float> gate_up = random.Floats(kTokens * 2 * kWidth);
  for (float& value : gate_up) value *= 8.0F;
  std::vector<ActivationGroup> groups(kTokens * kGroups);
  const SiluQuantizeArgs args = {gate_up.data(), gate_up.data() + kWidth, 2 * kWidth,
                                 kWidth,         groups.data(),           kGroups};
  backend.silu_quantize(&args, 0, kTokens);
  for (size_t t = 0; t < kTokens; ++t) {
    double gated[kWidth];
    for (size_t i = 0; i < kWidth; ++i) {
      const auto gate = static_cast<double>(gate_up[t * 2 * kWidth + i]);
      gated[i] = gate / (1.0 + std::exp(-gate)) *
                 static_cast<double>(gate_up[t * 2 * kWidth + kWidth + i]);
    }
    for (size_t g = 0; g < kGroups; ++g)
      CheckGroup(groups[t * kGroups + g], gated + g * kGroup, 2e-5);
  }
}

// Values that are not finite make no scale that is not, and nothing undefined.
void DamagedTest(const Backend& backend) {
  for (const float bad : {INFINITY, -INFINITY, NAN, 3e38F, -3e38F}) {
    std::vector<float> x(kGroup, 0.5F);
    x[5] = bad;
    x[6] = -bad;
    ActivationGroup group = {};
    const QuantizeArgs args = {x.data(), kGroup, kGroup, &group, 1};
    backend.quantize_rows(&args, 0, 1);
    CHECK(std::isfinite(group.scale));
    CHECK(std::abs(group.minus_two_zero) <= 254);
    for (const int8_t value : group.q) CHECK(value >= -127);
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::QuantizeRowsTest(backend);
    fairlane::test::NormQuantizeTest(backend);
    fairlane::test::SiluQuantizeTest(backend);
    fairlane::test::DamagedTest(backend);
    std::printf("quantize_rows on %s\n", backend.name);
  });
  return fairlane::test::Report("quantize_rows_test");
}
