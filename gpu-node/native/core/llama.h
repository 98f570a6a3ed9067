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
#include "core/share_wave.h"
#include "core/step_batch.h"
#include "core/token_share.h"

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
  void Rotations(const TokenShare& share, const StepBatch& batch) const;
  void Embed(const TokenShare& share, const StepBatch& batch) const;
  // Where inputs of linear layers of `k` values lie. Shares do not overlap,
  // whatever the widths of what each holds at the time.
  LayerInput InputOf(const TokenShare& share, int32_t k) const;
  // The norm of x, [tokens, hidden], as the input of a linear layer, quantised with int8, and
  // shrunk by the adapters of these modules; null where none can have one.
  LayerInput NormInput(const TokenShare& share, const float* x, const std::vector<float>& weight,
                       const LoraTargets* targets) const;
  // Shrinks an input that is complete.
  void Shrink(const TokenShare& share, const LoraTargets& targets, const LayerInput& input,
              int32_t k) const;
  // What activations.normed() holds as such an input.
  LayerInput Input(const TokenShare& share, int32_t k) const;
  // `output` is the first token's of the step, as all pointers here.
  void Multiply(const TokenShare& share, const Linear& linear, const LayerInput& input,
                const GemmOutput& output, const LoraStage& stage) const;
  // Bias and norms of heads (Qwen2, Qwen3), rotary turn and appending of K and V.
  void PlaceHeads(const TokenShare& share, const StepBatch& batch, int32_t layer) const;
  // Leaves its result in activations, as the input of the layer's `o`.
  LayerInput Attention(const TokenShare& share, const StepBatch& batch, int32_t layer) const;
  // The gated activation of gate and up of the normed hidden states, as the input of `down`.
  LayerInput GateUp(const TokenShare& share, int32_t layer) const;
  // A layer up to the appending of its K and V, and from its attention on.
  void EnterLayer(const TokenShare& share, const StepBatch& batch, int32_t layer) const;
  void LeaveLayer(const TokenShare& share, const StepBatch& batch, int32_t layer) const;
  // Splits a step into shares of whole attention items; 0: all threads should work on all tokens.
  int32_t ShareOut(const StepBatch& batch, TokenShare* shares) const;
  void ForwardShares(const StepBatch& batch, const TokenShare* shares, int32_t count) const;

  Parts parts_;
  Workers alone_;                          // never opened: runs on the calling thread
  std::vector<double> inverse_frequency_;  // [head_dim / 2]
};

}  // namespace fairlane
