// See attention_items.h.
#include "core/attention_items.h"

#include <algorithm>

namespace fairlane {
namespace {

// Query tokens of one item: enough to share the reading of K and V, few enough to balance threads.
constexpr int32_t kTokensPerItem = 16;
// Items that each thread should find where rows are put together, so that none waits for another's
// last.
constexpr int32_t kItemsPerThread = 2;

bool SameRuns(const StepBatch& batch, const KvBlock& a, const KvBlock& b) {
  if (a.first_pos != b.first_pos || a.run_count != b.run_count) return false;
  const KvRun* const runs = batch.runs();
  return std::equal(runs + a.run_begin, runs + a.run_begin + a.run_count, runs + b.run_begin,
                    [](const KvRun& x, const KvRun& y) {
                      return x.page == y.page && x.page_offset == y.page_offset &&
                             x.lane == y.lane && x.count == y.count;
                    });
}

// How many rows from `first` on make one item: those that begin alike, as long as one more saves
// reading. `shared_blocks` of each is set.
int32_t RowsTogether(const AttentionItemOptions& options, const StepBatch& batch, int32_t first,
                     int32_t most) {
  int32_t shared = 0;
  int32_t count = 1;
  for (; count < most && first + count < batch.row_count; ++count) {
    const auto next = static_cast<size_t>(first) + static_cast<size_t>(count);
    int32_t common = 0;
    for (int32_t group = 0; group < options.group_count; ++group)
      common = std::max(common, batch.groups[group].rows[next].shared_blocks);
    if (count > 1) common = std::min(common, shared);
    if (common * count < std::max(1, shared * (count - 1))) break;
    shared = common;
  }
  return count;
}

}  // namespace

int32_t CommonBlocks(const StepBatch& batch, const AttentionRow& a, const AttentionRow& b) {
  const int32_t most = std::min(a.block_count, b.block_count);
  int32_t common = 0;
  while (common < most && SameRuns(batch, batch.blocks()[a.block_begin + common],
                                   batch.blocks()[b.block_begin + common]))
    ++common;
  return common;
}

void ListAttentionItems(const AttentionItemOptions& options, StepBatch* batch) {
  batch->item_count = 0;
  const int32_t even = batch->row_count * options.kv_heads / (kItemsPerThread * options.threads);
  const int32_t most = std::clamp(even, 1, kTokensPerItem);
  const auto add = [&](const AttentionItem& item) {
    for (int32_t head = 0; head < options.kv_heads; ++head) {
      batch->items()[batch->item_count] = item;
      batch->items()[batch->item_count++].kv_head = head;
    }
  };
  const AttentionRow* const rows = batch->groups[0].rows.data();
  for (int32_t row = 0; row < batch->row_count;) {
    const int32_t tokens = rows[row].token_count;
    const int32_t together = tokens == 1 ? RowsTogether(options, *batch, row, most) : 1;
    if (together > 1) add({row, 0, 0, together, together});
    for (int32_t begin = 0; together == 1 && begin < tokens; begin += kTokensPerItem)
      add({row, 0, begin, std::min(kTokensPerItem, tokens - begin)});
    row += together;
  }
}

}  // namespace fairlane
