// Bias, penalties, top_k, top_p, min_p and typical_p of every plug-in, alone and together, against
// the naive reference; and the likeliest tokens of the unmodified distribution.
#include "test/check.h"
#include "test/sampling_reference.h"

namespace fairlane::test {
namespace {

constexpr int32_t kDraws = 4000;
constexpr int32_t kAlways = std::numeric_limits<int32_t>::max();

struct Outcome {
  int32_t token;
  float logprob;
  std::vector<int32_t> top_token;
  std::vector<float> top_logprob;
};

Outcome Sample(const Backend& backend, const SamplingCase& given, int32_t position,
               size_t top_count = 0) {
  const size_t vocab = given.logits.size();
  std::vector<int32_t> order(vocab);
  std::vector<float> edited(vocab);
  Outcome outcome = {0, 0.0F, std::vector<int32_t>(top_count), std::vector<float>(top_count)};
  SampleTokenArgs args = {};
  args.logits = given.logits.data();
  args.vocab = static_cast<int32_t>(vocab);
  args.params = given.params;
  args.position = position;
  args.bias = given.bias.data();
  args.bias_count = static_cast<int32_t>(given.bias.size());
  args.seen = given.seen.data();
  args.seen_count = static_cast<int32_t>(given.seen.size());
  args.mask = given.mask.empty() ? nullptr : given.mask.data();
  args.order = order.data();
  args.edited = edited.data();
  args.top_count = static_cast<int32_t>(top_count);
  args.top_token = outcome.top_token.data();
  args.top_logprob = outcome.top_logprob.data();
  backend.sample_token(&args);
  outcome.token = args.token;
  outcome.logprob = args.logprob;
  return outcome;
}

// Draws at many positions; frequencies lie within five standard deviations, and what the reference
// excludes never comes.
void CompareDraws(const Backend& backend, const SamplingCase& given) {
  const std::vector<double> expected = SampledDistribution(given);
  const std::vector<float> before = given.logits;
  std::vector<int32_t> counts(expected.size());
  for (int32_t position = 0; position < kDraws; ++position)
    ++counts[static_cast<size_t>(Sample(backend, given, position).token)];
  CHECK(given.logits == before);
  for (size_t token = 0; token < expected.size(); ++token) {
    const double p = expected[token];
    const double deviation = std::sqrt(p * (1.0 - p) / kDraws);
    CHECK_NEAR(counts[token] / static_cast<double>(kDraws), p, 5.0 * deviation + 1.0 / kDraws);
    if (p == 0.0) CHECK_EQ(counts[token], 0);
  }
}

SamplingCase RandomCase(Random* random) {
  SamplingCase given;
  given.logits = random->Floats(static_cast<size_t>(3 + random->Below(30)));
  for (float& logit : given.logits) logit *= 4.0F;
  const auto vocab = static_cast<int32_t>(given.logits.size());
  const auto coin = [&] { return random->Below(2) == 0; };
  const auto fraction = [&] { return 0.05F + 0.47F * (random->Float() + 1.0F); };
  SamplingParams& params = given.params;
  params.temperature = 0.3F + (random->Float() + 1.0F);
  params.seed = random->Bits();
  if (coin()) params.top_k = 1 + random->Below(vocab);
  if (coin()) params.top_p = fraction();
  if (coin()) params.min_p = 0.3F * fraction();
  if (coin()) params.typical_p = fraction();
  if (coin()) params.repetition_penalty = 0.5F + (random->Float() + 1.0F);
  if (coin()) params.presence_penalty = random->Float() * 2.0F;
  if (coin()) params.frequency_penalty = random->Float() * 2.0F;
  for (int32_t token = 0; token < vocab; ++token) {
    if (random->Below(4) == 0) given.seen.push_back({token, random->Below(4)});
    if (random->Below(8) == 0) given.bias.push_back({token, random->Float() * 5.0F, kAlways});
  }
  // Never empty: one token stays allowed.
  if (coin())
    given.mask = {static_cast<uint32_t>(random->Bits()) | 1U << random->Below(vocab), ~0U};
  return given;
}

void AgainstReference(const Backend& backend) {
  const std::vector<float> logits = {1.0F, 3.0F, 2.0F, 0.5F, 2.5F, -4.0F, 3.1F, 1.5F, -9.0F};
  const auto alone = [&](auto edit) {
    SamplingCase given;
    given.logits = logits;
    given.params.temperature = 0.9F;
    given.params.seed = 11;
    given.seen = {{1, 3}, {4, 0}, {5, 1}};
    edit(&given);
    CompareDraws(backend, given);
  };
  alone([](SamplingCase* given) { given->params.min_p = 0.3F; });
  alone([](SamplingCase* given) { given->params.typical_p = 0.5F; });
  alone([](SamplingCase* given) { given->params.repetition_penalty = 1.7F; });
  alone([](SamplingCase* given) { given->params.presence_penalty = 1.5F; });
  alone([](SamplingCase* given) { given->params.frequency_penalty = 0.7F; });
  alone([](SamplingCase* given) { given->mask = {0b101110100}; });
  alone([](SamplingCase* given) { given->bias = {{8, 12.5F, kAlways}, {6, -2.0F, kAlways}}; });
  Random random(5);
  for (int32_t i = 0; i < 60; ++i) CompareDraws(backend, RandomCase(&random));
}

void GreedyWithEdits(const Backend& backend) {
  SamplingCase given;
  given.logits = {1.0F, 3.0F, 2.9F, -1.0F};
  given.seen = {{1, 1}};
  CHECK_EQ(Sample(backend, given, 0).token, 1);
  given.params.presence_penalty = 0.2F;
  CHECK_EQ(Sample(backend, given, 0).token, 2);
  given.bias = {{3, 100.0F, kAlways}};
  const Outcome forced = Sample(backend, given, 0);
  CHECK_EQ(forced.token, 3);
  // The log-probability stays that of the unmodified distribution.
  const double sum = std::exp(1.0) + std::exp(3.0) + std::exp(2.9) + std::exp(-1.0);
  CHECK_NEAR(static_cast<double>(forced.logprob), -1.0 - std::log(sum), 1e-6);
  // Suppression holds below its position.
  given.bias = {{2, -std::numeric_limits<float>::infinity(), 7}};
  CHECK_EQ(Sample(backend, given, 6).token, 1);
  CHECK_EQ(Sample(backend, given, 7).token, 2);
}

void Masks(const Backend& backend) {
  SamplingCase given;
  given.logits = {1.0F, 3.0F, 2.9F, -1.0F};
  given.mask = {0b1001};
  CHECK_EQ(Sample(backend, given, 0).token, 0);
  // The mask wins over a bias, and log-probabilities stay those of the unmodified distribution.
  given.bias = {{1, 100.0F, kAlways}, {3, 10.0F, kAlways}};
  const Outcome outcome = Sample(backend, given, 0, 1);
  CHECK_EQ(outcome.token, 3);
  CHECK_EQ(outcome.top_token[0], 1);
  const double sum = std::exp(1.0) + std::exp(3.0) + std::exp(2.9) + std::exp(-1.0);
  CHECK_NEAR(static_cast<double>(outcome.logprob), -1.0 - std::log(sum), 1e-6);
  // Nothing is left: by the mask alone, or with a suppressed token; bits past the vocabulary are
  // nobody's.
  for (const float temperature : {0.0F, 1.0F}) {
    given.params.temperature = temperature;
    given.mask = {0xFFFFFFF0};
    CHECK_EQ(Sample(backend, given, 0).token, kNoToken);
    given.mask = {0b0010};
    given.bias = {{1, -std::numeric_limits<float>::infinity(), kAlways}};
    CHECK_EQ(Sample(backend, given, 0).token, kNoToken);
    given.bias.clear();
    CHECK_EQ(Sample(backend, given, 0).token, 1);
  }
  // The only token is drawn at every position, however unlikely.
  given.logits = std::vector<float>(70, 0.0F);
  given.logits[67] = -60.0F;
  given.mask = {0, 0, 1U << 3};
  for (int32_t position = 0; position < 200; ++position)
    CHECK_EQ(Sample(backend, given, position).token, 67);
}

void TopLogprobs(const Backend& backend) {
  Random random(9);
  for (const size_t vocab : {1, 5, 20, 1000}) {
    SamplingCase given;
    given.logits = random.Floats(vocab);
    for (float& logit : given.logits) logit = std::round(logit * 20.0F);  // with ties
    given.params.temperature = 1.0F;
    given.bias = {{0, 50.0F, kAlways}};  // must not show
    const size_t count = std::min<size_t>(20, vocab);
    const Outcome outcome = Sample(backend, given, 3, count);
    std::vector<size_t> order(vocab);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return given.logits[a] > given.logits[b]; });
    double sum = 0.0;
    for (const float logit : given.logits) sum += std::exp(static_cast<double>(logit));
    for (size_t i = 0; i < count; ++i) {
      CHECK_EQ(outcome.top_token[i], static_cast<int32_t>(order[i]));
      const double expected = static_cast<double>(given.logits[order[i]]) - std::log(sum);
      CHECK_NEAR(static_cast<double>(outcome.top_logprob[i]), expected, 1e-5);
    }
  }
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    fairlane::test::AgainstReference(backend);
    fairlane::test::GreedyWithEdits(backend);
    fairlane::test::Masks(backend);
    fairlane::test::TopLogprobs(backend);
    std::printf("sampling processors on %s\n", backend.name);
  });
  return fairlane::test::Report("sampling_processors_test");
}
