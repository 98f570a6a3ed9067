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

// One linear layer in the order of a forward pass.
struct LoraStage {
  LoraTargets own;   // count 0: no adapter changes it
  LoraTargets next;  // whose Shrink comes after it; count 0: none
};

// A piece of a linear layer: some panels of one part, for some tokens.
struct LoraProduct {
  const GemmWeights* weights;
  int32_t part;
  GemmInput input;  // of the piece's tokens
  float* y;         // of the part and the step's first token
  int64_t stride;
  bool accumulate;
  LoraPiece piece;
  // This is piece `index` of the `count` pieces of the layer.
  int32_t index;
  int32_t count;
};

struct LoraAhead;

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
  // Second half: a piece of the base matrix, and what adapters add to it. Shrink was done for these
  // tokens. What adapters need next is brought near meanwhile: with a token or two for each adapter
  // they are bound by memory, and the base matrix of many rows is not.
  void Multiply(const LoraStage& stage, const LoraProduct& product) const;

 private:
  void Expand(const LoraTargets& targets, const LoraProduct& product) const;
  void AheadOfExpand(const LoraTargets& targets, const LoraProduct& product,
                     LoraAhead* ahead) const;
  void AheadOfShrink(const LoraTargets& targets, const LoraProduct& product,
                     LoraAhead* ahead) const;
  float* LowOf(int32_t token, int32_t part) const;

  const Backend* backend_ = nullptr;
  bool is_f32_ = false;
  const StepBatch* batch_ = nullptr;
  AlignedBuffer low_;  // [tokens, parts of a Linear, kLoraRankMax] f32: between the two halves
};

}  // namespace fairlane
