// See step_batch.h.
#include "core/step_batch.h"

#include "core/limits.h"

namespace fairlane {

bool StepBatch::Open(const StepBatchOptions& options, std::string* error) {
  const auto tokens = static_cast<size_t>(options.capacity.tokens);
  const auto row_capacity = static_cast<size_t>(options.capacity.rows);
  token.resize(tokens);
  position.resize(tokens);
  for (int32_t i = 0; i < options.group_count; ++i) {
    groups[i].page.resize(tokens);
    groups[i].page_offset.resize(tokens);
    groups[i].rows.resize(row_capacity);
  }
  plan_row.resize(row_capacity);
  segments.reserve(row_capacity);
  sample_token.resize(row_capacity);
  sample_row.resize(row_capacity);
  sample_slot.resize(row_capacity);
  sample_mask.resize(row_capacity);
  // An entry that is not aligned to 16 positions lies in two blocks.
  const size_t runs = row_capacity * static_cast<size_t>(options.group_count) *
                      static_cast<size_t>(options.max_entries) * 2;
  const size_t items = tokens * static_cast<size_t>(options.kv_heads);
  const bool fits = runs * sizeof(KvRun) <= static_cast<size_t>(kMaxScratchBytes) &&
                    items * sizeof(AttentionItem) <= static_cast<size_t>(kMaxScratchBytes);
  if (!fits || !blocks_.Allocate(runs * sizeof(KvBlock)) || !runs_.Allocate(runs * sizeof(KvRun)) ||
      !items_.Allocate(items * sizeof(AttentionItem))) {
    *error =
        "no memory for the page lists of a step with " + std::to_string(row_capacity) + " rows";
    return false;
  }
  return true;
}

void StepBatch::Clear() {
  token_count = 0;
  row_count = 0;
  segments.clear();
  block_count = 0;
  run_count = 0;
  item_count = 0;
  sample_count = 0;
}

}  // namespace fairlane
