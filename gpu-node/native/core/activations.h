// Owns the scratch buffers of a forward pass, sized once for the largest step.
#pragma once

#include <cstdint>
#include <string>

#include "core/aligned_buffer.h"
#include "core/manifest.h"
#include "ops/gemm.h"

namespace fairlane {

struct ActivationsOptions {
  ModelParams params;
  int32_t tokens;      // most tokens of a step
  int32_t logit_rows;  // most positions whose logits are computed
};

class Activations {
 public:
  bool Open(const ActivationsOptions& options, std::string* error);

  float* hidden() const { return hidden_.As<float>(); }  // [tokens, hidden]
  float* normed() const { return normed_.As<float>(); }  // [tokens, widest input of a linear layer]
  int64_t normed_stride() const { return normed_stride_; }  // of a token in normed()
  float* qkv() const { return qkv_.As<float>(); }  // [tokens, (heads + 2 kv_heads) * head_dim]
  float* gate_up() const { return gate_up_.As<float>(); }  // [tokens, 2 * ffn]
  // Inputs of linear layers, quantised: [tokens, widest of hidden and attention / kGroup], and
  // [tokens, ffn / kGroup] for `down`, which is written while its layer's other input is read.
  ActivationGroup* groups() const { return groups_.As<ActivationGroup>(); }
  int64_t group_stride() const { return group_stride_; }  // of a token in groups()
  ActivationGroup* gated_groups() const { return gated_groups_.As<ActivationGroup>(); }
  float* cosine() const { return cosine_.As<float>(); }      // [tokens, head_dim / 2]
  float* sine() const { return sine_.As<float>(); }          // [tokens, head_dim / 2]
  float* gathered() const { return gathered_.As<float>(); }  // [logit_rows, hidden]
  float* logits() const { return logits_.As<float>(); }      // [logit_rows, vocab]

 private:
  int64_t normed_stride_ = 0;
  int64_t group_stride_ = 0;
  AlignedBuffer hidden_, normed_, qkv_, gate_up_, groups_, gated_groups_, cosine_, sine_, gathered_,
      logits_;
};

}  // namespace fairlane
