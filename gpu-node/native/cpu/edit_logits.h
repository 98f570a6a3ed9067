// Owns bias, penalties and mask: what changes logits before temperature. Invariant: the given
// logits stay as they are; the changed ones are a copy.
#pragma once

#include <cstring>
#include <limits>

#include "ops/sample_token.h"

namespace fairlane {

inline void ApplyMask(const SampleTokenArgs& args) {
  for (int32_t first = 0; first < args.vocab; first += 32) {
    const uint32_t word = args.mask[first / 32];
    if (word == ~0U) continue;
    const int32_t count = args.vocab - first < 32 ? args.vocab - first : 32;
    for (int32_t bit = 0; bit < count; ++bit) {
      if ((word >> bit & 1U) == 0)
        args.edited[first + bit] = -std::numeric_limits<float>::infinity();
    }
  }
}

// Returns the logits to sample from: args.logits itself when nothing changes them.
inline const float* EditLogits(const SampleTokenArgs& args) {
  const SamplingParams& params = args.params;
  const bool has_penalty = params.HasPenalty() && args.seen_count > 0;
  if (args.bias_count == 0 && !has_penalty && args.mask == nullptr) return args.logits;
  std::memcpy(args.edited, args.logits, sizeof(float) * static_cast<size_t>(args.vocab));
  for (int32_t i = 0; i < args.bias_count; ++i) {
    const LogitBias& bias = args.bias[i];
    if (args.position < bias.until_pos) args.edited[bias.token] += bias.value;
  }
  for (int32_t i = 0; has_penalty && i < args.seen_count; ++i) {
    const SeenToken& seen = args.seen[i];
    float& logit = args.edited[seen.token];
    logit = logit > 0.0F ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    if (seen.outputs == 0) continue;
    logit -= params.frequency_penalty * static_cast<float>(seen.outputs);
    logit -= params.presence_penalty;
  }
  if (args.mask != nullptr) ApplyMask(args);
  return args.edited;
}

}  // namespace fairlane
