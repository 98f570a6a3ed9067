// Owns what every CPU plug-in does alike to sample a token: which candidates are kept, and the draw
// among them. A plug-in brings the two passes over all logits (the maximum, and the sum of
// exponentials) as `Passes`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "cpu/edit_logits.h"
#include "cpu/top_logprobs.h"
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

// The edited logits of one draw and the candidates' weights, exp((logit - max) / temperature).
struct Draw {
  const float* logits;
  float max;
  double inverse;  // of the temperature

  // (logit - max) / temperature.
  double Exponent(int32_t id) const {
    return static_cast<double>(OrMinusInfinity(logits[id]) - max) * inverse;
  }
  double Weight(int32_t id) const { return std::exp(Exponent(id)); }
};

struct Candidates {
  int32_t count;
  double total;  // of their weights
};

// An order of `count` ids that is sorted a stretch at a time: most distributions need the first
// only.
template <typename Before>
class LazyOrder {
 public:
  LazyOrder(int32_t* order, int32_t count, Before before)
      : order_(order), count_(count), before_(before) {}

  int32_t At(int32_t i) {
    if (i >= sorted_) {
      const int32_t until = std::min(count_, std::max(256, sorted_ * 8));
      std::partial_sort(order_ + sorted_, order_ + until, order_ + count_, before_);
      sorted_ = until;
    }
    return order_[i];
  }

 private:
  int32_t* order_;
  int32_t count_;
  int32_t sorted_ = 0;
  Before before_;
};

// top_k, top_p and min_p: sorts args.order so far that the kept candidates lead it, largest logit
// first, ties by id.
inline Candidates KeepLikely(const SampleTokenArgs& args, const Draw& draw) {
  const SamplingParams& params = args.params;
  const auto before = [&](int32_t a, int32_t b) {
    const float x = OrMinusInfinity(draw.logits[a]);
    const float y = OrMinusInfinity(draw.logits[b]);
    return x != y ? x > y : a < b;
  };
  LazyOrder order(args.order, args.vocab, before);
  const int32_t limit = params.top_k > 0 ? std::min(params.top_k, args.vocab) : args.vocab;
  double needed = std::numeric_limits<double>::infinity();
  if (params.top_p < 1.0F) {
    double all = 0.0;  // weight of what top_k keeps
    for (int32_t i = 0; i < limit; ++i) all += draw.Weight(limit < args.vocab ? order.At(i) : i);
    needed = static_cast<double>(params.top_p) * all;
  }
  const double least = static_cast<double>(params.min_p) * draw.Weight(order.At(0));
  Candidates kept{0, 0.0};
  while (kept.count < limit && (kept.count == 0 || kept.total < needed)) {
    const double weight = draw.Weight(order.At(kept.count));
    if (kept.count > 0 && weight < least) break;
    kept.total += weight;
    ++kept.count;
  }
  return kept;
}

// typical_p among the candidates that lead args.order: those whose surprise is nearest to the
// entropy lead it afterwards, ties by id.
inline Candidates KeepTypical(const SampleTokenArgs& args, const Draw& draw, Candidates given) {
  const double log_total = std::log(given.total);
  double entropy = 0.0;
  for (int32_t i = 0; i < given.count; ++i) {
    const double log_p = draw.Exponent(args.order[i]) - log_total;
    const double p = std::exp(log_p);
    if (p > 0.0) entropy -= p * log_p;
  }
  const auto distance = [&](int32_t id) {
    return std::fabs(log_total - draw.Exponent(id) - entropy);
  };
  const auto before = [&](int32_t a, int32_t b) {
    const double x = distance(a);
    const double y = distance(b);
    return x != y ? x < y : a < b;
  };
  LazyOrder order(args.order, given.count, before);
  const double needed = static_cast<double>(args.params.typical_p) * given.total;
  Candidates kept{0, 0.0};
  while (kept.count < given.count && (kept.count == 0 || kept.total < needed)) {
    kept.total += draw.Weight(order.At(kept.count));
    ++kept.count;
  }
  return kept;
}

inline int32_t DrawToken(const SampleTokenArgs& args, const Draw& draw) {
  const SamplingParams& params = args.params;
  for (int32_t id = 0; id < args.vocab; ++id) args.order[id] = id;
  Candidates kept{args.vocab, 0.0};
  if (params.top_k > 0 || params.top_p < 1.0F || params.min_p > 0.0F) {
    kept = KeepLikely(args, draw);
  } else {
    for (int32_t id = 0; id < args.vocab; ++id) kept.total += draw.Weight(id);
  }
  if (params.typical_p < 1.0F) kept = KeepTypical(args, draw, kept);
  const double target = UniformAt(params.seed, args.position) * kept.total;
  double sum = 0.0;
  int32_t last = args.order[0];  // where rounding leaves the sum at the target: the last possible
  for (int32_t i = 0; i < kept.count; ++i) {
    const double weight = draw.Weight(args.order[i]);
    if (weight > 0.0) last = args.order[i];
    sum += weight;
    if (sum > target) return last;
  }
  return last;
}

// Passes::Max(logits, vocab, &id) -> largest logit and the lowest id that has it;
// Passes::SumExp(logits, vocab, max) -> sum of exp(logit - max). NaN counts as minus infinity in
// both.
template <typename Passes>
inline void SampleTokenWith(SampleTokenArgs* args) {
  int32_t best = 0;
  const float max = Passes::Max(args->logits, args->vocab, &best);
  const double log_sum = std::log(Passes::SumExp(args->logits, args->vocab, max));
  if (args->top_count > 0) FindTopLogprobs(args, max, log_sum);
  const float* logits = EditLogits(*args);
  const float edited_max = logits == args->logits ? max : Passes::Max(logits, args->vocab, &best);
  if (args->mask != nullptr && edited_max == -std::numeric_limits<float>::infinity()) {
    args->token = kNoToken;
    args->logprob = edited_max;
    return;
  }
  args->token = best;
  if (args->params.temperature > 0.0F && std::isfinite(edited_max)) {
    const double inverse = 1.0 / static_cast<double>(args->params.temperature);
    args->token = DrawToken(*args, {logits, edited_max, inverse});
  }
  const double logit = static_cast<double>(OrMinusInfinity(args->logits[args->token]) - max);
  args->logprob = static_cast<float>(logit - log_sum);
}

}  // namespace fairlane
