// Owns the arrays that describe one step to the model: its tokens, their places in pages, and what
// each row attends to. Sized once at start for the largest step; filled by row_resolver.h, read by
// llama.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/limits.h"
#include "core/slot_table.h"
#include "ops/paged_attention.h"

namespace fairlane {

struct StepBatchOptions {
  StepCapacity capacity;
  int32_t max_entries;  // of a slot's page table
  int32_t kv_heads;     // the same in all KV groups
  int32_t group_count;
};

// Where the tokens of a step lie in the pages of one KV group, and what each row attends to there.
struct GroupBatch {
  // Per token.
  std::vector<uint8_t*> page;
  std::vector<int32_t> page_offset;
  // Per row; blocks and runs are those of all groups.
  std::vector<AttentionRow> rows;
};

class Adapter;

// Tokens that follow each other and have the same adapter.
struct LoraSegment {
  const Adapter* adapter;
  int32_t token_begin;
  int32_t token_end;
};

class StepBatch {
 public:
  bool Open(const StepBatchOptions& options, std::string* error);
  void Clear();

  int32_t token_count = 0;
  int32_t row_count = 0;
  int32_t block_count = 0;
  int32_t run_count = 0;
  int32_t item_count = 0;
  int32_t sample_count = 0;

  // Per token.
  std::vector<int32_t> token;
  std::vector<int32_t> position;
  GroupBatch groups[kMaxKvGroups];
  // Per row: its index in the plan. Rows without an adapter come first, then adapter by adapter.
  std::vector<int32_t> plan_row;
  // At most one for each row; none for rows without an adapter.
  std::vector<LoraSegment> segments;
  // Per sampled position: its token's index, its row in the plan, the row's slot and mask slot.
  std::vector<int32_t> sample_token;
  std::vector<int32_t> sample_row;
  std::vector<int32_t> sample_slot;
  std::vector<int32_t> sample_mask;

  KvBlock* blocks() const { return blocks_.As<KvBlock>(); }
  KvRun* runs() const { return runs_.As<KvRun>(); }
  AttentionItem* items() const { return items_.As<AttentionItem>(); }

 private:
  AlignedBuffer blocks_;
  AlignedBuffer runs_;
  AlignedBuffer items_;
};

}  // namespace fairlane
