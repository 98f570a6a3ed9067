// Owns the adapters' part of a forward pass: which of a step's tokens have which adapter, and the
// calls of shrink and expand for them between the ops of llama.h. Rows of one adapter stand
// together (row_resolver.h) and rows without one stand first, in no segment, so they pay nothing.
// The input of an adapter's module is what the base matrix takes: with int8 the values that its
// quantised activations stand for.
#pragma once

#include <cstdint>
#include <string>

#include "core/adapter_layout.h"
#include "core/aligned_buffer.h"
#include "core/step_batch.h"
#include "ops/backend.h"

namespace fairlane {

// The modules that share an input, in the order of their parts in one Linear.
struct LoraTargets {
  int32_t layer;
  LoraModule first;
  int32_t count;
};

// The input of the modules for all tokens of a step: floats with f32; otherwise quantised, and `x`
// takes the floats.
struct LoraInput {
  const ActivationGroup* groups;  // [tokens, k / kGroup]
  float* x;                       // [tokens, k]
  int32_t k;
};

// Where one part's outputs are: element (t, r) at y[t * stride + r], t counted from the step's
// first token.
struct LoraOutput {
  int32_t part;
  float* y;
  int64_t stride;
};

class Lora {
 public:
  // `tokens`: most of a step.
  bool Open(const Backend* backend, bool is_f32, int32_t tokens, std::string* error);

  // The step whose tokens the calls below are about; it outlives them.
  void Begin(const StepBatch* batch) { batch_ = batch; }
  // Whether a row's adapter changes one of these modules.
  bool Touches(const LoraTargets& targets) const;
  // First half, for the tokens of a range of the step's whole input.
  void Shrink(const LoraTargets& targets, const LoraInput& input, int32_t token_begin,
              int32_t token_end) const;
  // Second half: adds to the outputs of one part. Shrink was done for these tokens.
  void Expand(const LoraTargets& targets, const LoraOutput& output, const LoraPiece& piece) const;

 private:
  float* LowOf(int32_t token, int32_t part) const;

  const Backend* backend_ = nullptr;
  bool is_f32_ = false;
  const StepBatch* batch_ = nullptr;
  AlignedBuffer low_;  // [tokens, parts of a Linear, kLoraRankMax] f32: between the two halves
};

}  // namespace fairlane
