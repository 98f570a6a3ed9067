// Owns a naive double-precision reference of sampling: the whole distribution that a token is drawn
// from, written after ops/sample_token.h without regard to speed.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "ops/sample_token.h"

namespace fairlane::test {

struct SamplingCase {
  std::vector<float> logits;
  SamplingParams params;
  int32_t position = 0;
  std::vector<LogitBias> bias;
  std::vector<SeenToken> seen;
  std::vector<uint32_t> mask;  // empty allows all
};

inline std::vector<double> EditedLogits(const SamplingCase& given) {
  std::vector<double> logits(given.logits.begin(), given.logits.end());
  for (const LogitBias& bias : given.bias) {
    if (given.position < bias.until_pos)
      logits[static_cast<size_t>(bias.token)] += static_cast<double>(bias.value);
  }
  const SamplingParams& params = given.params;
  const double repetition = static_cast<double>(params.repetition_penalty);
  for (const SeenToken& seen : given.seen) {
    double& logit = logits[static_cast<size_t>(seen.token)];
    logit = logit > 0.0 ? logit / repetition : logit * repetition;
    logit -= static_cast<double>(params.frequency_penalty) * seen.outputs;
    if (seen.outputs > 0) logit -= static_cast<double>(params.presence_penalty);
  }
  for (size_t id = 0; id < logits.size() && !given.mask.empty(); ++id) {
    const bool is_allowed = (given.mask[id / 32] >> (id % 32) & 1U) != 0;
    if (!is_allowed) logits[id] = -std::numeric_limits<double>::infinity();
  }
  return logits;
}

// Gives every token outside of `keep` probability 0 and the others 1 together.
inline void Keep(std::vector<double>* p, const std::vector<size_t>& keep) {
  std::vector<double> kept(p->size(), 0.0);
  double sum = 0.0;
  for (const size_t id : keep) sum += (*p)[id];
  for (const size_t id : keep) kept[id] = (*p)[id] / sum;
  *p = kept;
}

// The ids of `order` whose probability together first reaches `mass`.
inline std::vector<size_t> Reaching(const std::vector<double>& p, const std::vector<size_t>& order,
                                    double mass) {
  std::vector<size_t> keep;
  double sum = 0.0;
  for (const size_t id : order) {
    if (!keep.empty() && sum >= mass) break;
    keep.push_back(id);
    sum += p[id];
  }
  return keep;
}

// The distribution of the token drawn, for a temperature above 0.
inline std::vector<double> SampledDistribution(const SamplingCase& given) {
  const SamplingParams& params = given.params;
  std::vector<double> p = EditedLogits(given);
  const double max = *std::max_element(p.begin(), p.end());
  for (double& value : p) value = std::exp((value - max) / static_cast<double>(params.temperature));
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Keep(&p, order);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  if (params.top_k > 0) {
    order.resize(std::min(order.size(), static_cast<size_t>(params.top_k)));
    Keep(&p, order);
  }
  if (params.top_p < 1.0F) {
    order = Reaching(p, order, static_cast<double>(params.top_p));
    Keep(&p, order);
  }
  if (params.min_p > 0.0F) {
    const double least = static_cast<double>(params.min_p) * p[order[0]];
    order.erase(
        std::remove_if(order.begin(), order.end(), [&](size_t id) { return p[id] < least; }),
        order.end());
    Keep(&p, order);
  }
  if (params.typical_p < 1.0F) {
    double entropy = 0.0;
    for (const size_t id : order) {
      if (p[id] > 0.0) entropy -= p[id] * std::log(p[id]);
    }
    std::sort(order.begin(), order.end());
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return std::fabs(-std::log(p[a]) - entropy) < std::fabs(-std::log(p[b]) - entropy);
    });
    Keep(&p, Reaching(p, order, static_cast<double>(params.typical_p)));
  }
  return p;
}

}  // namespace fairlane::test
