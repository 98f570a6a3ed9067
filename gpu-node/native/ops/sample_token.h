// Contract of sampling one token from one row of logits, in this order (vLLM's up to the
// temperature, Hugging Face's after it):
//   1. bias: entries whose until_pos lies after `position` add their value to a token's logit;
//      minus infinity suppresses it;
//   2. repetition penalty, for every seen token: a positive logit is divided by it, another
//      multiplied; then frequency penalty x outputs and, with outputs, presence penalty are
//      subtracted;
//   3. mask: tokens without their bit are excluded;
//   4. temperature: at 0 the largest logit wins, the lowest id winning ties, and nothing below
//      applies;
//   5. top_k: the k largest logits; top_p: the smallest set of the largest whose probability
//      reaches p; min_p: those at least min_p times as likely as the likeliest; typical_p: the
//      smallest set, nearest to the entropy first, whose probability reaches it; each over what the
//      one before left;
//   6. a draw with a number that is a hash of (seed, position), so that the result does not depend
//      on the batch.
// Log-probabilities are those of the unmodified distribution (temperature 1, all tokens, before 1).
// A NaN logit counts as minus infinity. When the mask, with the biases, leaves no token the result
// is kNoToken.
#pragma once

#include <cstdint>

namespace fairlane {

inline constexpr int32_t kNoToken = -1;

struct SamplingParams {
  float temperature = 0.0F;  // 0 = greedy
  float top_p = 1.0F;        // 1 = off
  int32_t top_k = 0;         // 0 = off
  uint64_t seed = 0;
  float min_p = 0.0F;               // 0 = off
  float typical_p = 1.0F;           // 1 = off
  float repetition_penalty = 1.0F;  // 1 = off
  float presence_penalty = 0.0F;    // 0 = off
  float frequency_penalty = 0.0F;   // 0 = off

  bool HasPenalty() const {
    return repetition_penalty != 1.0F || presence_penalty != 0.0F || frequency_penalty != 0.0F;
  }
};

struct LogitBias {
  int32_t token;
  float value;
  int32_t until_pos;  // holds at positions below
};

// A token of the prompt or the output so far, each at most once.
struct SeenToken {
  int32_t token;
  int32_t outputs;  // times it was sampled
};

struct SampleTokenArgs {
  const float* logits;  // [vocab]
  int32_t vocab;
  SamplingParams params;
  int32_t position;  // of the token whose logits these are
  const LogitBias* bias;
  int32_t bias_count;
  const SeenToken* seen;
  int32_t seen_count;
  const uint32_t* mask;  // [(vocab + 31) / 32], bit t % 32 of word t / 32 allows t; null allows all
  int32_t* order;        // scratch, [vocab]
  float* edited;         // scratch, [vocab]
  int32_t token;         // result, or kNoToken
  float logprob;         // result
  int32_t top_count;     // likeliest tokens wanted, at most vocab
  int32_t* top_token;    // result, [top_count], likeliest first, ties by id
  float* top_logprob;    // result, [top_count]
};

using SampleTokenFn = void (*)(SampleTokenArgs* args);

}  // namespace fairlane
