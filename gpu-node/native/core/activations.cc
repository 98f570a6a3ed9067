// See activations.h.
#include "core/activations.h"

#include <algorithm>

#include "core/limits.h"
#include "ops/gemm.h"

namespace fairlane {
namespace {

bool Allocate(AlignedBuffer* buffer, int64_t rows, int64_t columns, int64_t element_bytes) {
  // rows <= 2^20 and columns <= 2^41 by limits.h, so the product fits after this check.
  if (columns > kMaxScratchBytes / element_bytes ||
      rows > kMaxScratchBytes / (columns * element_bytes))
    return false;
  return buffer->Allocate(static_cast<size_t>(rows * columns * element_bytes));
}

}  // namespace

bool Activations::Open(const ActivationsOptions& options, std::string* error) {
  const ModelParams& p = options.params;
  const int64_t tokens = options.tokens;
  const int64_t attention = int64_t{p.heads} * p.head_dim;
  const int64_t qkv = (int64_t{p.heads} + 2 * int64_t{p.kv_heads}) * p.head_dim;
  normed_stride_ = std::max({int64_t{p.hidden}, attention, int64_t{p.ffn}});
  group_stride_ = std::max(int64_t{p.hidden}, attention) / kGroup;
  const bool ok =
      Allocate(&hidden_, tokens, p.hidden, 4) && Allocate(&normed_, tokens, normed_stride_, 4) &&
      Allocate(&qkv_, tokens, qkv, 4) && Allocate(&gate_up_, tokens, 2 * int64_t{p.ffn}, 4) &&
      Allocate(&groups_, tokens, group_stride_, sizeof(ActivationGroup)) &&
      Allocate(&gated_groups_, tokens, p.ffn / kGroup, sizeof(ActivationGroup)) &&
      Allocate(&cosine_, tokens, p.head_dim / 2, 4) &&
      Allocate(&sine_, tokens, p.head_dim / 2, 4) &&
      Allocate(&gathered_, options.logit_rows, p.hidden, 4) &&
      Allocate(&logits_, options.logit_rows, p.vocab, 4);
  if (!ok)
    *error = "no memory for the activations of a step of " + std::to_string(tokens) + " tokens";
  return ok;
}

}  // namespace fairlane
