// See slot_table.h.
#include "core/slot_table.h"

#include <cmath>

#include "core/limits.h"
#include "ops/append_kv.h"

namespace fairlane {

bool SlotTable::Open(const SlotTableOptions& options, std::string* error) {
  page_count_ = options.page_count;
  context_ = options.context;
  // Twice the pages of a full context, because a table may hold part-filled pages.
  max_entries_ = 2 * ((context_ + kPageTokens - 1) / kPageTokens) + 2;
  const int64_t bytes = static_cast<int64_t>(options.slot_count) * max_entries_ *
                        static_cast<int64_t>(sizeof(PageEntry));
  if (bytes > kMaxScratchBytes || !entries_.Allocate(static_cast<size_t>(bytes))) {
    *error = "no memory for the page tables of " + std::to_string(options.slot_count) + " slots";
    return false;
  }
  slots_.assign(static_cast<size_t>(options.slot_count), Slot());
  const StepCapacity& capacity = options.capacity;
  saved_slots_.reserve(static_cast<size_t>(capacity.slot_resets) +
                       static_cast<size_t>(capacity.page_updates) +
                       static_cast<size_t>(capacity.sampling_updates));
  saved_entries_.reserve(static_cast<size_t>(capacity.page_updates));
  return true;
}

StepCheck SlotTable::ApplyResets(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanSlotResets]; ++i) {
    if (!IsSlot(plan.slot_reset[i])) return {kStepBadSlot, i};
    Slot& target = slot(plan.slot_reset[i]);
    saved_slots_.push_back({plan.slot_reset[i], target});
    target.entry_count = 0;
    target.next_pos = 0;
    target.last_token = kNone;
  }
  return {};
}

StepCheck SlotTable::ApplyPages(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanPageUpdates]; ++i) {
    const int32_t index = plan.page_slot[i];
    const int32_t entry = plan.page_entry[i];
    const PageEntry value = {plan.page_id[i], plan.page_first_pos[i], plan.page_n_valid[i]};
    if (!IsSlot(index)) return {kStepBadSlot, i};
    Slot& target = slot(index);
    const bool entry_fits = entry >= 0 && entry <= target.entry_count && entry < max_entries_;
    const bool page_fits =
        value.page >= 0 && value.page < page_count_ && plan.page_kv_group[i] == 0;
    const bool positions_fit = value.first_pos >= 0 && value.first_pos < context_ &&
                               value.n_valid >= 0 && value.n_valid <= kPageTokens &&
                               value.n_valid <= context_ - value.first_pos;
    if (!entry_fits || !page_fits || !positions_fit) return {kStepBadPage, i};
    PageEntry& place = entries(index)[entry];
    if (entry == target.entry_count) {
      saved_slots_.push_back({index, target});
      ++target.entry_count;
    }
    saved_entries_.push_back({index, entry, place});
    place = value;
  }
  return {};
}

StepCheck SlotTable::ApplySampling(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanSamplingUpdates]; ++i) {
    const int32_t index = plan.sampling_slot[i];
    if (!IsSlot(index)) return {kStepBadSlot, i};
    const float temperature = plan.sampling_temperature[i];
    const float top_p = plan.sampling_top_p[i];
    const bool valid = std::isfinite(temperature) && temperature >= 0.0F && top_p > 0.0F &&
                       top_p <= 1.0F && plan.sampling_top_k[i] >= 0;
    if (!valid) return {kStepBadSampling, i};
    Slot& target = slot(index);
    saved_slots_.push_back({index, target});
    target.sampling.temperature = temperature;
    target.sampling.top_p = top_p;
    target.sampling.top_k = plan.sampling_top_k[i];
    target.sampling.seed = static_cast<uint64_t>(static_cast<uint32_t>(plan.sampling_seed_lo[i])) |
                           static_cast<uint64_t>(static_cast<uint32_t>(plan.sampling_seed_hi[i]))
                               << 32;
  }
  return {};
}

StepCheck SlotTable::Apply(const PlanView& plan) {
  saved_slots_.clear();
  saved_entries_.clear();
  StepCheck check = ApplyResets(plan);
  if (check.ok()) check = ApplyPages(plan);
  if (check.ok()) check = ApplySampling(plan);
  if (!check.ok()) Undo();
  return check;
}

void SlotTable::Undo() {
  for (size_t i = saved_slots_.size(); i-- > 0;) slot(saved_slots_[i].index) = saved_slots_[i].slot;
  for (size_t i = saved_entries_.size(); i-- > 0;) {
    entries(saved_entries_[i].slot)[saved_entries_[i].entry] = saved_entries_[i].value;
  }
  saved_slots_.clear();
  saved_entries_.clear();
}

}  // namespace fairlane
