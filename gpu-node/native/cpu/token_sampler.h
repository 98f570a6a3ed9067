// Owns what every CPU plug-in does alike to sample a token: the draw among the kept candidates. A
// plug-in brings the two passes over all logits (the maximum, and the sum of exponentials) as
// `Passes`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ops/sample_token.h"

namespace fairlane {

// A number in [0, 1) that depends on seed and position only: splitmix64's finaliser over both,
// twice.
inline double UniformAt(uint64_t seed, int32_t position) {
  const auto mix = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  };
  const uint64_t counter = static_cast<uint64_t>(static_cast<uint32_t>(position)) + 1;
  const uint64_t bits = mix(mix(seed + 0x9E3779B97F4A7C15ULL) + counter * 0x9E3779B97F4A7C15ULL);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

inline float OrMinusInfinity(float logit) {
  return std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit;
}

// Draws among `count` candidates in the order given, each with weight exp((logit - max) /
// temperature).
inline int32_t DrawInOrder(const SampleTokenArgs& args, float max, int32_t count, double total) {
  const double inverse = 1.0 / static_cast<double>(args.params.temperature);
  const double target = UniformAt(args.params.seed, args.position) * total;
  double sum = 0.0;
  for (int32_t i = 0; i < count; ++i) {
    const float logit = OrMinusInfinity(args.logits[args.order[i]]);
    sum += std::exp(static_cast<double>(logit - max) * inverse);
    if (sum > target) return args.order[i];
  }
  return args.order[count - 1];
}

struct Candidates {
  int32_t count;
  double total;  // of their weights
};

// Sorts args.order so far that the kept candidates lead it, largest logit first, ties by id.
inline Candidates KeepCandidates(const SampleTokenArgs& args, float max) {
  const double inverse = 1.0 / static_cast<double>(args.params.temperature);
  const auto weight = [&](int32_t id) {
    return std::exp(static_cast<double>(OrMinusInfinity(args.logits[id]) - max) * inverse);
  };
  const auto before = [&](int32_t a, int32_t b) {
    const float x = OrMinusInfinity(args.logits[a]);
    const float y = OrMinusInfinity(args.logits[b]);
    return x != y ? x > y : a < b;
  };
  const int32_t limit =
      args.params.top_k > 0 ? std::min(args.params.top_k, args.vocab) : args.vocab;
  double all = 0.0;  // weight of what top_k keeps; without top_k of every token
  if (args.params.top_k <= 0) {
    for (int32_t id = 0; id < args.vocab; ++id) all += weight(id);
  }
  int32_t sorted = 0;
  Candidates kept{0, 0.0};
  if (args.params.top_k > 0) {
    std::partial_sort(args.order, args.order + limit, args.order + args.vocab, before);
    sorted = limit;
    for (int32_t i = 0; i < limit; ++i) all += weight(args.order[i]);
  }
  const double needed = static_cast<double>(args.params.top_p) * all;
  while (kept.count < limit && (kept.count == 0 || kept.total < needed)) {
    if (kept.count == sorted) {  // sort another stretch: most distributions need the first only
      const int32_t until = std::min(limit, std::max(256, sorted * 8));
      std::partial_sort(args.order + sorted, args.order + until, args.order + args.vocab, before);
      sorted = until;
    }
    kept.total += weight(args.order[kept.count++]);
  }
  return kept;
}

// Passes::Max(logits, vocab, &id) -> largest logit and the lowest id that has it;
// Passes::SumExp(logits, vocab, max) -> sum of exp(logit - max). NaN counts as minus infinity in
// both.
template <typename Passes>
inline void SampleTokenWith(SampleTokenArgs* args) {
  int32_t best = 0;
  const float max = Passes::Max(args->logits, args->vocab, &best);
  const double sum = Passes::SumExp(args->logits, args->vocab, max);
  args->token = best;
  if (args->params.temperature > 0.0F && std::isfinite(max)) {
    for (int32_t id = 0; id < args->vocab; ++id) args->order[id] = id;
    const bool all = args->params.top_k <= 0 && args->params.top_p >= 1.0F;
    Candidates kept{args->vocab, 0.0};
    if (all) {
      const double inverse = 1.0 / static_cast<double>(args->params.temperature);
      for (int32_t id = 0; id < args->vocab; ++id) {
        kept.total +=
            std::exp(static_cast<double>(OrMinusInfinity(args->logits[id]) - max) * inverse);
      }
    } else {
      kept = KeepCandidates(*args, max);
    }
    args->token = DrawInOrder(*args, max, kept.count, kept.total);
  }
  const double logit = static_cast<double>(OrMinusInfinity(args->logits[args->token]) - max);
  args->logprob = static_cast<float>(logit - std::log(sum));
}

}  // namespace fairlane
