// See row_resolver.h.
#include "core/row_resolver.h"

#include <algorithm>

#include "core/attention_items.h"

namespace fairlane {
bool RowResolver::Open(const RowResolverOptions& options, std::string* error) {
  options_ = options;
  slot_serial_.assign(static_cast<size_t>(options.slots->slot_count()), 0);
  ordered_.reserve(static_cast<size_t>(options.slots->max_entries()));
  raises_.reserve(static_cast<size_t>(options.capacity.tokens) *
                  static_cast<size_t>(options.groups->count()));
  order_.reserve(static_cast<size_t>(options.capacity.rows));
  if (!page_serial_.Allocate(sizeof(uint32_t) * static_cast<size_t>(options.pages->page_count()))) {
    *error = "no memory for the page marks";
    return false;
  }
  return true;
}

StepCheck RowResolver::CheckRow(const PlanView& plan, int32_t row, RowShape* shape) {
  shape->slot = plan.row_slot[row];
  shape->tokens = plan.row_n_tokens[row];
  shape->token_offset = plan.row_token_offset[row];
  if (shape->slot < 0 || shape->slot >= options_.slots->slot_count()) return {kStepBadSlot, row};
  uint32_t& serial = slot_serial_[static_cast<size_t>(shape->slot)];
  if (serial == serial_) return {kStepBadRow, row};  // the slot has a row already
  serial = serial_;
  const int32_t logit_rows = plan.row_n_logit_rows[row];
  const bool plain = plan.row_draft_len[row] == 0 && (logit_rows == 0 || logit_rows == 1);
  const int32_t mask = plan.row_mask_slot[row];
  if (mask != kNone && (mask < 0 || mask >= mask_count_)) return {kStepBadRow, row};
  if (!plain || shape->tokens < 1 || shape->tokens > options_.capacity.tokens)
    return {kStepBadRow, row};

  const Slot& slot = options_.slots->slot(shape->slot);
  const bool own_position = plan.row_first_pos[row] == kFromDevice;
  shape->first_pos = own_position ? slot.next_pos : plan.row_first_pos[row];
  if (slot.sampling.HasPenalty() && shape->first_pos != slot.history_tokens)
    return {kStepBadSampling, row};  // a penalty would miss tokens
  if (shape->first_pos < 0 || shape->first_pos > options_.context - shape->tokens)
    return {kStepBadRow, row};
  if (shape->token_offset == kFromDevice) {
    const bool has_sample = slot.last_token != kNone && shape->tokens == 1;
    return has_sample ? StepCheck{} : StepCheck{kStepBadRow, row};
  }
  const int32_t host_tokens = plan.header[kPlanTokens];
  if (shape->token_offset < 0 || shape->token_offset > host_tokens - shape->tokens)
    return {kStepBadRow, row};
  for (int32_t i = 0; i < shape->tokens; ++i) {
    const int32_t token = plan.token[shape->token_offset + i];
    if (token < 0 || token >= options_.vocab) return {kStepBadToken, row};
  }
  return {};
}

StepStatus RowResolver::OrderEntries(const RowShape& shape, int32_t group) {
  const PageEntry* entries = options_.slots->entries(shape.slot, group);
  const int32_t count = options_.slots->slot(shape.slot).entry_count[group];
  ordered_.clear();
  for (int32_t i = 0; i < count; ++i) {
    ordered_.push_back({i, entries[i].page, entries[i].first_pos, entries[i].n_valid, kPageTokens});
  }
  const auto before = [](const OrderedEntry& a, const OrderedEntry& b) {
    return a.first_pos < b.first_pos;
  };
  if (!std::is_sorted(ordered_.begin(), ordered_.end(), before)) {
    std::sort(ordered_.begin(), ordered_.end(), before);
  }
  for (size_t i = 0; i + 1 < ordered_.size(); ++i) {
    const int32_t distance = ordered_[i + 1].first_pos - ordered_[i].first_pos;
    ordered_[i].limit = std::min(kPageTokens, distance);
    if (distance == 0 || ordered_[i].n_valid > ordered_[i].limit)
      return kStepBadPage;  // two keys at one position
  }
  return kStepOk;
}

StepStatus RowResolver::PlaceTokens(const RowShape& shape, int32_t group, StepBatch* batch) {
  GroupBatch& places = batch->groups[group];
  auto* page_serial = page_serial_.As<uint32_t>();
  // The entry of a position is the last one that begins at or before it.
  const auto after = [](int32_t position, const OrderedEntry& entry) {
    return position < entry.first_pos;
  };
  auto entry = std::upper_bound(ordered_.begin(), ordered_.end(), shape.first_pos, after);
  if (entry == ordered_.begin()) return kStepUnmapped;
  --entry;
  bool fresh = true;
  for (int32_t i = 0; i < shape.tokens; ++i) {
    const int32_t position = shape.first_pos + i;
    if (position - entry->first_pos >= entry->limit) {
      ++entry;
      fresh = true;
      if (entry == ordered_.end() || entry->first_pos != position) return kStepUnmapped;
    }
    const int32_t offset = position - entry->first_pos;
    if (offset > entry->n_valid) return kStepUnmapped;  // would leave a hole in the page
    if (fresh) {
      if (page_serial[entry->page] == serial_) return kStepBadPage;  // another row writes this page
      page_serial[entry->page] = serial_;
      fresh = false;
    }
    entry->n_valid = std::max(entry->n_valid, offset + 1);
    const auto at = static_cast<size_t>(batch->token_count + i);
    places.page[at] = options_.pages->DataOf(entry->page);
    places.page_offset[at] = offset;
  }
  return kStepOk;
}

void RowResolver::ListTokens(const PlanView& plan, const RowShape& shape, StepBatch* batch) {
  const Slot& slot = options_.slots->slot(shape.slot);
  for (int32_t i = 0; i < shape.tokens; ++i) {
    const auto at = static_cast<size_t>(batch->token_count + i);
    batch->token[at] =
        shape.token_offset == kFromDevice ? slot.last_token : plan.token[shape.token_offset + i];
    batch->position[at] = shape.first_pos + i;
  }
}

void RowResolver::ListBlocks(const RowShape& shape, int32_t group, StepBatch* batch) {
  AttentionRow& row = batch->groups[group].rows[static_cast<size_t>(batch->row_count)];
  row = {batch->token_count, shape.tokens, batch->block_count, 0};
  const int32_t end_pos = shape.first_pos + shape.tokens;
  // What no query of the row sees is left out: its page may be somebody else's by now.
  const int32_t window = options_.groups->group(group).window;
  const int32_t first_seen = window > 0 ? shape.first_pos - window + 1 : 0;
  for (const OrderedEntry& entry : ordered_) {
    int32_t position = entry.first_pos;
    const int32_t last = std::min(entry.first_pos + entry.n_valid, end_pos);
    if (last <= first_seen) continue;
    while (position < last) {
      const int32_t lane = position % kPageTokens;
      const int32_t count = std::min(last - position, kPageTokens - lane);
      const int32_t block_pos = position - lane;
      KvBlock* block = batch->blocks() + batch->block_count;
      if (row.block_count > 0 && block[-1].first_pos == block_pos) {
        ++block[-1].run_count;
      } else {
        *block = {block_pos, batch->run_count, 1};
        ++batch->block_count;
        ++row.block_count;
      }
      batch->runs()[batch->run_count++] = {options_.pages->DataOf(entry.page),
                                           position - entry.first_pos, lane, count};
      position += count;
    }
  }
  // Only rows of one token go together (attention_items.h).
  if (batch->row_count == 0 || row.token_count > 1) return;
  const auto last = static_cast<size_t>(batch->row_count) - 1;
  const AttentionRow& before = batch->groups[group].rows[last];
  if (before.token_count == 1) row.shared_blocks = CommonBlocks(*batch, before, row);
}

StepCheck RowResolver::Resolve(const PlanView& plan, StepBatch* batch) {
  batch->Clear();
  raises_.clear();
  if (++serial_ == 0) ++serial_;  // 0 marks what was never used
  StepCheck check = OrderRows(plan);
  for (size_t i = 0; check.ok() && i < order_.size(); ++i)
    check = AddRow(plan, order_[i].row, batch);
  if (check.ok())
    ListAttentionItems({options_.kv_heads, options_.groups->count(), options_.threads}, batch);
  return check;
}

RowResolver::RowOrder RowResolver::OrderOf(const PlanView& plan, int32_t row) const {
  const int32_t slot = plan.row_slot[row];
  const bool has_page = slot >= 0 && slot < options_.slots->slot_count() &&
                        options_.slots->slot(slot).entry_count[0] > 0;
  return {plan.row_adapter[row], plan.row_n_tokens[row] > 1,
          has_page ? options_.slots->entries(slot, 0)->page : kNone, row};
}

StepCheck RowResolver::OrderRows(const PlanView& plan) {
  order_.clear();
  for (int32_t row = 0; row < plan.header[kPlanRows]; ++row) {
    const int32_t adapter = plan.row_adapter[row];
    if (adapter != kNone && options_.adapters->Find(adapter) == nullptr)
      return {kStepBadAdapter, row};
    order_.push_back(OrderOf(plan, row));
  }
  std::sort(order_.begin(), order_.end());
  return {};
}

StepCheck RowResolver::AddRow(const PlanView& plan, int32_t row, StepBatch* batch) {
  RowShape shape = {};
  const StepCheck check = CheckRow(plan, row, &shape);
  if (!check.ok()) return check;
  if (shape.tokens > options_.capacity.tokens - batch->token_count) return {kStepBadRow, row};
  for (int32_t group = 0; group < options_.groups->count(); ++group) {
    const StepStatus status = ResolveGroup(shape, group, batch);
    if (status != kStepOk) return {status, row};
  }
  ListTokens(plan, shape, batch);
  if (plan.row_adapter[row] != kNone) ListSegment(shape, plan.row_adapter[row], batch);
  batch->plan_row[static_cast<size_t>(batch->row_count)] = row;
  batch->token_count += shape.tokens;
  ++batch->row_count;
  if (plan.row_n_logit_rows[row] == 1) {
    const auto at = static_cast<size_t>(batch->sample_count++);
    batch->sample_token[at] = batch->token_count - 1;
    batch->sample_row[at] = row;
    batch->sample_slot[at] = shape.slot;
    batch->sample_mask[at] = plan.row_mask_slot[row];
  }
  return {};
}

void RowResolver::ListSegment(const RowShape& shape, int32_t adapter_slot, StepBatch* batch) {
  const Adapter* adapter = options_.adapters->Find(adapter_slot);
  const int32_t begin = batch->token_count;
  if (batch->segments.empty() || batch->segments.back().adapter != adapter)
    batch->segments.push_back({adapter, begin, begin});
  batch->segments.back().token_end = begin + shape.tokens;
}

StepStatus RowResolver::ResolveGroup(const RowShape& shape, int32_t group, StepBatch* batch) {
  StepStatus status = OrderEntries(shape, group);
  if (status == kStepOk) status = PlaceTokens(shape, group, batch);
  if (status != kStepOk) return status;
  ListBlocks(shape, group, batch);
  ListRaises(shape, group);
  return kStepOk;
}

void RowResolver::ListRaises(const RowShape& shape, int32_t group) {
  const PageEntry* entries = options_.slots->entries(shape.slot, group);
  for (const OrderedEntry& entry : ordered_) {
    if (entry.n_valid != entries[entry.index].n_valid)
      raises_.push_back({shape.slot, group, entry.index, entry.n_valid});
  }
}

void RowResolver::Commit(const PlanView& plan, const StepBatch& batch) {
  options_.slots->Commit(plan);
  for (const Raise& raise : raises_)
    options_.slots->entries(raise.slot, raise.group)[raise.entry].n_valid = raise.n_valid;
  for (int32_t row = 0; row < batch.row_count; ++row) {
    const AttentionRow& tokens = batch.groups[0].rows[static_cast<size_t>(row)];
    const int32_t last = tokens.token_begin + tokens.token_count - 1;
    const int32_t slot_index = plan.row_slot[batch.plan_row[static_cast<size_t>(row)]];
    Slot& slot = options_.slots->slot(slot_index);
    slot.next_pos = batch.position[static_cast<size_t>(last)] + 1;
    if (!slot.sampling.HasPenalty()) continue;
    for (int32_t i = tokens.token_begin; i <= last; ++i)
      options_.slots->AddToHistory(slot_index, batch.token[static_cast<size_t>(i)]);
  }
}

}  // namespace fairlane
