// Contract of sampling one token from one row of logits.
// Temperature 0 takes the largest logit, the lowest id winning ties. Otherwise: keep the top_k
// largest logits, then the smallest set of them whose probability at this temperature reaches
// top_p, and draw with a number that is a hash of (seed, position): the result does not depend on
// the batch. The log-probability is that of the token under the unmodified distribution
// (temperature 1, all tokens). A NaN logit counts as minus infinity.
#pragma once

#include <cstdint>

namespace fairlane {

struct SamplingParams {
  float temperature = 0.0F;  // 0 = greedy
  float top_p = 1.0F;        // 1 = off
  int32_t top_k = 0;         // 0 = off
  uint64_t seed = 0;
};

struct SampleTokenArgs {
  const float* logits;  // [vocab]
  int32_t vocab;
  SamplingParams params;
  int32_t position;  // of the token whose logits these are
  int32_t* order;    // scratch, [vocab]
  int32_t token;     // result
  float logprob;     // result
};

using SampleTokenFn = void (*)(SampleTokenArgs* args);

}  // namespace fairlane
