// Owns finding the few likeliest tokens of a row of logits: one pass with a sorted short list.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ops/sample_token.h"

namespace fairlane {

// Fills args->top_token and args->top_logprob; `max` and `log_sum` are those of all logits.
inline void FindTopLogprobs(SampleTokenArgs* args, float max, double log_sum) {
  int32_t* token = args->top_token;
  float* logit = args->top_logprob;  // holds logits until the end
  int32_t count = 0;
  for (int32_t id = 0; id < args->vocab; ++id) {
    const float value =
        std::isnan(args->logits[id]) ? -std::numeric_limits<float>::infinity() : args->logits[id];
    if (count == args->top_count && !(value > logit[count - 1])) continue;
    int32_t at = count < args->top_count ? count++ : count - 1;
    for (; at > 0 && value > logit[at - 1]; --at) {
      logit[at] = logit[at - 1];
      token[at] = token[at - 1];
    }
    logit[at] = value;
    token[at] = id;
  }
  for (int32_t i = 0; i < count; ++i) {
    logit[i] = static_cast<float>(static_cast<double>(logit[i] - max) - log_sum);
  }
}

}  // namespace fairlane
