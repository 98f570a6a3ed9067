// See slot_table.h.
#include "core/slot_table.h"

#include <algorithm>
#include <cmath>

#include "core/limits.h"
#include "ops/append_kv.h"

namespace fairlane {
namespace {

bool IsFiniteNonNegative(float value) { return std::isfinite(value) && value >= 0.0F; }

// What a plan leaves at 0 is off.
float OneIfZero(float value) { return value == 0.0F ? 1.0F : value; }

bool IsFraction(float value) { return value > 0.0F && value <= 1.0F; }

bool IsValid(const SamplingParams& params) {
  return IsFiniteNonNegative(params.temperature) && IsFraction(params.top_p) && params.top_k >= 0 &&
         params.min_p >= 0.0F && params.min_p <= 1.0F && IsFraction(params.typical_p) &&
         std::isfinite(params.repetition_penalty) && params.repetition_penalty > 0.0F &&
         std::isfinite(params.presence_penalty) && std::isfinite(params.frequency_penalty);
}

}  // namespace

bool SlotTable::Open(const SlotTableOptions& options, std::string* error) {
  page_count_ = options.page_count;
  group_count_ = options.group_count;
  context_ = options.context;
  vocab_ = options.vocab;
  // Twice the pages of a full context, because a table may hold part-filled pages.
  max_entries_ = 2 * ((context_ + kPageTokens - 1) / kPageTokens) + 2;
  const int64_t bytes = static_cast<int64_t>(options.slot_count) * group_count_ * max_entries_ *
                        static_cast<int64_t>(sizeof(PageEntry));
  if (bytes > kMaxScratchBytes || !entries_.Allocate(static_cast<size_t>(bytes))) {
    *error = "no memory for the page tables of " + std::to_string(options.slot_count) + " slots";
    return false;
  }
  const size_t bias_bytes =
      static_cast<size_t>(options.slot_count) * size_t{kBiasPerSlotMax} * sizeof(LogitBias);
  if (!biases_.Allocate(bias_bytes)) {
    *error = "no memory for the biases of " + std::to_string(options.slot_count) + " slots";
    return false;
  }
  if (!history_.Open({options.slot_count, context_}, error)) return false;
  slots_.assign(static_cast<size_t>(options.slot_count), Slot());
  const StepCapacity& capacity = options.capacity;
  saved_slots_.reserve(
      static_cast<size_t>(capacity.slot_resets) + static_cast<size_t>(capacity.page_updates) +
      static_cast<size_t>(capacity.sampling_updates) + static_cast<size_t>(capacity.bias_updates));
  saved_entries_.reserve(static_cast<size_t>(capacity.page_updates));
  return true;
}

StepCheck SlotTable::ApplyResets(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanSlotResets]; ++i) {
    if (!IsSlot(plan.slot_reset[i])) return {kStepBadSlot, i};
    Slot& target = slot(plan.slot_reset[i]);
    saved_slots_.push_back({plan.slot_reset[i], target});
    std::fill(std::begin(target.entry_count), std::end(target.entry_count), 0);
    target.next_pos = 0;
    target.last_token = kNone;
    target.history_tokens = 0;
    target.bias_count = 0;
  }
  return {};
}

StepCheck SlotTable::ApplyPages(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanPageUpdates]; ++i) {
    const int32_t index = plan.page_slot[i];
    const int32_t entry = plan.page_entry[i];
    const int32_t group = plan.page_kv_group[i];
    const PageEntry value = {plan.page_id[i], plan.page_first_pos[i], plan.page_n_valid[i]};
    if (!IsSlot(index)) return {kStepBadSlot, i};
    if (group < 0 || group >= group_count_) return {kStepBadPage, i};
    Slot& target = slot(index);
    int32_t& entry_count = target.entry_count[group];
    const bool entry_fits = entry >= 0 && entry <= entry_count && entry < max_entries_;
    const bool page_fits = value.page >= 0 && value.page < page_count_;
    const bool positions_fit = value.first_pos >= 0 && value.first_pos < context_ &&
                               value.n_valid >= 0 && value.n_valid <= kPageTokens &&
                               value.n_valid <= context_ - value.first_pos;
    if (!entry_fits || !page_fits || !positions_fit) return {kStepBadPage, i};
    PageEntry& place = entries(index, group)[entry];
    if (entry == entry_count) {
      saved_slots_.push_back({index, target});
      ++entry_count;
    }
    saved_entries_.push_back({index, group, entry, place});
    place = value;
  }
  return {};
}

StepCheck SlotTable::ApplySampling(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanSamplingUpdates]; ++i) {
    const int32_t index = plan.sampling_slot[i];
    if (!IsSlot(index)) return {kStepBadSlot, i};
    SamplingParams params;
    params.temperature = plan.sampling_temperature[i];
    params.top_p = plan.sampling_top_p[i];
    params.top_k = plan.sampling_top_k[i];
    params.min_p = plan.sampling_min_p[i];
    params.typical_p = OneIfZero(plan.sampling_typical_p[i]);
    params.repetition_penalty = OneIfZero(plan.sampling_repetition_penalty[i]);
    params.presence_penalty = plan.sampling_presence_penalty[i];
    params.frequency_penalty = plan.sampling_frequency_penalty[i];
    params.seed = static_cast<uint64_t>(static_cast<uint32_t>(plan.sampling_seed_lo[i])) |
                  static_cast<uint64_t>(static_cast<uint32_t>(plan.sampling_seed_hi[i])) << 32;
    const int32_t top = plan.sampling_top_logprobs[i];
    if (!IsValid(params) || top < 0 || top > std::min(kTopLogprobsMax, vocab_))
      return {kStepBadSampling, i};
    const int32_t pooling = plan.sampling_pooling[i];
    if (pooling < kPoolNone || pooling > (may_pool_ ? kPoolMean : kPoolNone))
      return {kStepBadSampling, i};
    Slot& target = slot(index);
    saved_slots_.push_back({index, target});
    target.sampling = params;
    target.pooling = static_cast<Pooling>(pooling);
    target.prompt_tokens = plan.sampling_prompt_tokens[i];
    target.top_logprobs = top;
  }
  return {};
}

// Checks the entries and counts them; Commit writes them.
StepCheck SlotTable::ApplyBiases(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanBiasUpdates]; ++i) {
    const int32_t index = plan.bias_slot[i];
    const int32_t token = plan.bias_token[i];
    if (!IsSlot(index)) return {kStepBadSlot, i};
    if (token < 0 || token >= vocab_) return {kStepBadToken, i};
    Slot& target = slot(index);
    if (i == 0 || plan.bias_slot[i - 1] != index) {
      saved_slots_.push_back({index, target});
      target.bias_count = 0;
    }
    const float value = plan.bias_value[i];
    const bool valid = !std::isnan(value) && !(std::isinf(value) && value > 0.0F);
    if (!valid || target.bias_count == kBiasPerSlotMax) return {kStepBadSampling, i};
    ++target.bias_count;
  }
  return {};
}

void SlotTable::Commit(const PlanView& plan) {
  for (int32_t i = 0; i < plan.header[kPlanSlotResets]; ++i) history_.Clear(plan.slot_reset[i]);
  int32_t place = 0;
  for (int32_t i = 0; i < plan.header[kPlanBiasUpdates]; ++i) {
    const int32_t index = plan.bias_slot[i];
    place = i == 0 || plan.bias_slot[i - 1] != index ? 0 : place + 1;
    biases_.As<LogitBias>()[index * kBiasPerSlotMax + place] = {
        plan.bias_token[i], plan.bias_value[i], plan.bias_until_pos[i]};
  }
}

void SlotTable::AddToHistory(int32_t index, int32_t token) {
  Slot& target = slot(index);
  history_.Add(index, token, target.history_tokens >= target.prompt_tokens);
  ++target.history_tokens;
}

StepCheck SlotTable::Apply(const PlanView& plan) {
  saved_slots_.clear();
  saved_entries_.clear();
  StepCheck check = ApplyResets(plan);
  if (check.ok()) check = ApplyPages(plan);
  if (check.ok()) check = ApplySampling(plan);
  if (check.ok()) check = ApplyBiases(plan);
  if (!check.ok()) Undo();
  return check;
}

void SlotTable::Undo() {
  for (size_t i = saved_slots_.size(); i-- > 0;) slot(saved_slots_[i].index) = saved_slots_[i].slot;
  for (size_t i = saved_entries_.size(); i-- > 0;) {
    const SavedEntry& saved = saved_entries_[i];
    entries(saved.slot, saved.group)[saved.entry] = saved.value;
  }
  saved_slots_.clear();
  saved_entries_.clear();
}

}  // namespace fairlane
