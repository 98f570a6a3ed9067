// Owns the cutting of a step's rows into attention items: chunks of tokens, and rows of one token
// that begin with the same pages together, so that those are read once for all of them. Invariant:
// items cover every token and KV head once, in the order of tokens, all KV heads of the same tokens
// side by side.
#pragma once

#include <cstdint>

#include "core/step_batch.h"

namespace fairlane {

struct AttentionItemOptions {
  int32_t kv_heads;
  int32_t group_count;
  int32_t threads;
};

// Leading blocks that two rows have in common: the same positions in the same pages.
int32_t CommonBlocks(const StepBatch& batch, const AttentionRow& a, const AttentionRow& b);

// Fills the batch's items from its rows.
void ListAttentionItems(const AttentionItemOptions& options, StepBatch* batch);

}  // namespace fairlane
