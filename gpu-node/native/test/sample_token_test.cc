// Sampling of every plug-in: greedy ties, log-probabilities, top-k and top-p sets, frequencies, and
// NaN.
#include "ops/sample_token.h"

#include <limits>
#include <map>

#include "test/check.h"

namespace fairlane::test {
namespace {

struct Sampled {
  int32_t token;
  double logprob;
};

Sampled Sample(const Backend& backend, const std::vector<float>& logits,
               const SamplingParams& params, int32_t position = 0) {
  std::vector<int32_t> order(logits.size());
  SampleTokenArgs args = {};
  args.logits = logits.data();
  args.vocab = static_cast<int32_t>(logits.size());
  args.params = params;
  args.position = position;
  args.order = order.data();
  backend.sample_token(&args);
  return {args.token, static_cast<double>(args.logprob)};
}

void GreedyTest(const Backend& backend) {
  for (const size_t vocab : {1, 7, 8, 16, 17, 1000, 4099}) {
    Random random(vocab);
    std::vector<float> logits = random.Floats(vocab);
    for (float& logit : logits) logit *= 9.0F;
    const size_t winner = vocab / 2;
    logits[winner] = 20.0F;
    logits[vocab - 1] = 20.0F;  // a tie: the lowest id wins
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    const Sampled sampled = Sample(backend, logits, {});
    CHECK_EQ(sampled.token, static_cast<int32_t>(winner));
    CHECK_NEAR(sampled.logprob, 20.0 - std::log(sum), 2e-6);
  }
}

void NanTest(const Backend& backend) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> logits(40, nan);
  SamplingParams warm = {1.0F, 0.9F, 5, 1};
  CHECK_EQ(Sample(backend, logits, {}).token, 0);
  CHECK_EQ(Sample(backend, logits, warm).token, 0);
  logits[33] = -3.0F;
  CHECK_EQ(Sample(backend, logits, {}).token, 33);
  CHECK_EQ(Sample(backend, logits, warm).token, 33);
  logits[20] = infinity;
  CHECK_EQ(Sample(backend, logits, warm).token, 20);
}

// Draws at many positions and compares frequencies with probabilities.
void DrawTest(const Backend& backend, const SamplingParams& base,
              const std::vector<double>& expected) {
  const std::vector<float> logits = {1.0F, 3.0F, 2.0F, 0.0F, 2.5F, -4.0F, 3.0F, 1.5F, -30.0F};
  double all = 0.0;
  for (const float logit : logits) all += std::exp(static_cast<double>(logit));
  constexpr int32_t kDraws = 20000;
  std::map<int32_t, int32_t> counts;
  for (int32_t position = 0; position < kDraws; ++position) {
    const Sampled sampled = Sample(backend, logits, base, position);
    ++counts[sampled.token];
    const double logit = static_cast<double>(logits[static_cast<size_t>(sampled.token)]);
    CHECK_NEAR(sampled.logprob, logit - std::log(all), 1e-6);  // of the unmodified distribution
  }
  for (size_t token = 0; token < expected.size(); ++token) {
    const double frequency = counts[static_cast<int32_t>(token)] / static_cast<double>(kDraws);
    CHECK_NEAR(frequency, expected[token], 0.015);
    if (expected[token] == 0.0) CHECK_EQ(counts[static_cast<int32_t>(token)], 0);
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  using fairlane::SamplingParams;
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::GreedyTest(backend);
    fairlane::test::NanTest(backend);
    // e^{1, 3, 2, 0, 2.5, -4, 3, 1.5, -30} / 68.94 by hand.
    fairlane::test::DrawTest(backend, {1.0F, 1.0F, 0, 42},
                             {0.0394, 0.2914, 0.1072, 0.0145, 0.1767, 0.0003, 0.2914, 0.0650, 0.0});
    // The three largest: two of e^3 and one of e^2.5 over 52.35.
    fairlane::test::DrawTest(backend, {1.0F, 1.0F, 3, 42},
                             {0, 0.3837, 0, 0, 0.2327, 0, 0.3837, 0, 0});
    // e^3 twice is 0.583, with e^2.5 0.759: the smallest set that reaches 0.7.
    fairlane::test::DrawTest(backend, {1.0F, 0.7F, 0, 42},
                             {0, 0.3837, 0, 0, 0.2327, 0, 0.3837, 0, 0});
    // top_p 0.5 of the three largest: 0.767 with both of e^3.
    fairlane::test::DrawTest(backend, {1.0F, 0.5F, 3, 42}, {0, 0.5, 0, 0, 0, 0, 0.5, 0, 0});
    // top_k 1 takes the lowest id of a tie, at any temperature.
    fairlane::test::DrawTest(backend, {5.0F, 1.0F, 1, 42}, {0, 1.0, 0, 0, 0, 0, 0, 0, 0});
    // Temperature 0.5 doubles the logits: e^{2, 6, 4, 0, 5, -8, 6, 3, -60} / 1038.3.
    fairlane::test::DrawTest(backend, {0.5F, 1.0F, 0, 7},
                             {0.0071, 0.3885, 0.0526, 0.0010, 0.1429, 0.0, 0.3885, 0.0193, 0.0});
    std::printf("sample_token on %s\n", backend.name);
  });
  return fairlane::test::Report("sample_token_test");
}
