// Owns the timing of a forward pass op by op: a backend's table of ops whose calls and parallel
// runs are timed, so that a StepRunner over it computes as always, with the same shapes, fusions
// and threads. The wall time of a run, waiting included, is shared among its ops by the time that
// its threads spent in each. One profile a process, because ops are plain functions. Invariant:
// what is in no named op counts as "other".
#pragma once

#include <array>
#include <cstdint>

#include "core/model.h"
#include "ops/backend.h"

namespace fairlane::bench {

enum Op : int32_t {
  kOpQkv,
  kOpO,
  kOpGateUp,
  kOpDown,
  kOpHead,
  kOpNorm,  // with quantisation, before the layers' matrices
  kOpHeadNorm,
  kOpPlace,  // rotary embedding, and K and V into their pages
  kOpAttention,
  kOpQuantize,  // of what attention gives
  kOpGated,     // the gated activation with its quantisation
  kOpSample,
  kOpOther,
  kOpCount
};

inline constexpr std::array<const char*, kOpCount> kOpNames = {
    "qkv",   "o",         "gate_up",  "down",          "head",   "norm_quantize", "head_norm",
    "place", "attention", "quantize", "silu_quantize", "sample", "other"};

using OpSeconds = std::array<double, kOpCount>;

// The table to open workers and a StepRunner with, instead of `real`, which must live on.
const Backend* TimedBackend(const Backend& real);
// Tells matrices and norms apart; before the first step.
void NameWeights(const Model& model);
// Wall seconds since the last call; only between steps.
OpSeconds TakeSeconds();

}  // namespace fairlane::bench
