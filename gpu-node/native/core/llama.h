// Owns the Llama family (Llama; Qwen2 with a bias on q, k and v; Qwen3 with normed heads): the
// order of ops that turns a StepBatch into logits. It decides nothing about pages, slots or
// sampling. Invariant: what is computed for a token depends on the token, its position and the keys
// it sees, never on the other tokens of the step.
#pragma once

#include <string>

#include "core/activations.h"
#include "core/kv_groups.h"
#include "core/lora.h"
#include "core/model.h"
#include "core/parallel_for.h"
#include "core/step_batch.h"

namespace fairlane {

class Llama {
 public:
  struct Parts {
    const Model* model;
    const Backend* backend;
    const Workers* workers;
    const Activations* activations;
    const KvGroups* kv_groups;
    Lora* lora;
    PagedAttentionFn attention;
  };

  explicit Llama(const Parts& parts);

  // Computes all tokens of the batch: appends their K and V and leaves the last hidden states in
  // `activations`.
  void Forward(const StepBatch& batch) const;
  // The final norm of the hidden states of tokens first .. first + count - 1, [count, hidden];
  // valid until the next call of this object.
  const float* FinalStates(int32_t first, int32_t count) const;
  // Computes logits of the tokens with these indices into activations.logits(), one row each, in
  // order.
  void Logits(const int32_t* tokens, int32_t count) const;

 private:
  void Rotations(const StepBatch& batch) const;
  // The norm of x as the input of a linear layer, quantised with int8, and shrunk by the adapters
  // of these modules; null where none can have one.
  GemmInput NormInput(const float* x, const std::vector<float>& weight, int32_t tokens,
                      const LoraTargets* targets) const;
  // Shrinks an input that is complete.
  void Shrink(const LoraTargets& targets, const GemmInput& input, int32_t k) const;
  // What activations.normed() holds as such an input.
  GemmInput Input(int32_t tokens, int32_t k) const;
  void Multiply(const Linear& linear, const GemmInput& input, const GemmOutput& output,
                const LoraStage& stage) const;
  // Bias and norms of heads (Qwen2, Qwen3), rotary turn and appending of K and V.
  void PlaceHeads(const StepBatch& batch, int32_t layer) const;
  // Leaves its result in activations, as the input of the layer's `o`.
  GemmInput Attention(const StepBatch& batch, int32_t layer) const;
  // The gated activation of gate and up, as the input of the layer's `down`.
  GemmInput GateUp(int32_t layer_number, int32_t tokens) const;
  void FeedForward(int32_t layer_number, int32_t tokens) const;

  Parts parts_;
  std::vector<double> inverse_frequency_;  // [head_dim / 2]
};

}  // namespace fairlane
