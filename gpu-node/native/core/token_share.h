// Owns who computes which tokens of a step: all threads together, or one thread alone. Invariant:
// all pointers of an input are those of the step's first token, whoever computes.
#pragma once

#include <cstdint>

#include "core/parallel_for.h"
#include "ops/gemm.h"

namespace fairlane {

// Tokens [token_begin, token_end) of a step with their attention items [item_begin, item_end).
struct TokenShare {
  int32_t token_begin;
  int32_t token_end;
  int32_t item_begin;
  int32_t item_end;
  const Workers* workers;

  // One thread computes it, others compute other shares.
  bool is_alone() const { return !workers->is_open(); }
  // Calls function(begin, end) for pieces of at most `piece` tokens.
  template <typename Function>
  void ForTokens(int32_t piece, Function&& function) const {
    workers->ForPieces(token_end - token_begin, piece, [&](int32_t begin, int32_t end) {
      function(token_begin + begin, token_begin + end);
    });
  }
};

// Inputs of a linear layer with k inputs: `x` alone is used with f32 weights, `groups` otherwise.
struct LayerInput {
  float* x;                 // [tokens, k]
  ActivationGroup* groups;  // [tokens, k / kGroup]
};

}  // namespace fairlane
