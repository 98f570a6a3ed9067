// Owns the state of all slots on the device side of the border: page table, position counter, last
// sample, sampling parameters, logit biases and token history. A plan's deltas are applied with an
// undo log, so that a refused plan leaves no trace. Invariant: in each KV group, entries 0 ..
// entry_count - 1 of a slot were all set by a plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/embeddings.h"
#include "core/limits.h"
#include "core/step_views.h"
#include "core/token_history.h"
#include "ops/sample_token.h"

namespace fairlane {

struct PageEntry {
  int32_t page;
  int32_t first_pos;
  int32_t n_valid;
};

struct Slot {
  int32_t entry_count[kMaxKvGroups] = {};
  int32_t next_pos = 0;        // one past the last computed position
  int32_t last_token = kNone;  // last sample
  SamplingParams sampling;
  int32_t prompt_tokens = 0;  // positions below are the prompt
  Pooling pooling = kPoolNone;
  int32_t top_logprobs = 0;    // likeliest tokens to report
  int32_t history_tokens = 0;  // positions that the token history has, from 0 on
  int32_t bias_count = 0;
};

// What a plan was refused for, or kStepOk.
struct StepCheck {
  StepStatus status = kStepOk;
  int32_t bad_row = kNone;

  bool ok() const { return status == kStepOk; }
};

struct SlotTableOptions {
  int32_t slot_count;
  int32_t page_count;
  int32_t group_count;
  int32_t context;
  int32_t vocab;
  StepCapacity capacity;
};

class SlotTable {
 public:
  bool Open(const SlotTableOptions& options, std::string* error);

  // Slots may pool their hidden states from now on.
  void AllowPooling() { may_pool_ = true; }

  int32_t slot_count() const { return static_cast<int32_t>(slots_.size()); }
  // Of a slot in one KV group.
  int32_t max_entries() const { return max_entries_; }
  Slot& slot(int32_t index) { return slots_[static_cast<size_t>(index)]; }
  PageEntry* entries(int32_t index, int32_t group) {
    const auto table =
        static_cast<size_t>(index) * static_cast<size_t>(group_count_) + static_cast<size_t>(group);
    return entries_.As<PageEntry>() + table * static_cast<size_t>(max_entries_);
  }

  const LogitBias* biases(int32_t index) const {
    return biases_.As<LogitBias>() + static_cast<size_t>(index) * size_t{kBiasPerSlotMax};
  }
  const TokenHistory& history() const { return history_; }
  // Notes the next position's token of a slot with a penalty. Only after Commit.
  void AddToHistory(int32_t index, int32_t token);

  // Applies slot resets, page updates, sampling updates and biases. On a failure everything is
  // undone.
  StepCheck Apply(const PlanView& plan);
  // Undoes the last successful Apply (its rows were refused).
  void Undo();
  // Keeps the last successful Apply: what it only noted of biases and histories takes effect.
  void Commit(const PlanView& plan);

 private:
  struct SavedSlot {
    int32_t index;
    Slot slot;
  };
  struct SavedEntry {
    int32_t slot;
    int32_t group;
    int32_t entry;
    PageEntry value;
  };

  StepCheck ApplyResets(const PlanView& plan);
  StepCheck ApplyPages(const PlanView& plan);
  StepCheck ApplySampling(const PlanView& plan);
  StepCheck ApplyBiases(const PlanView& plan);
  bool IsSlot(int32_t index) const { return index >= 0 && index < slot_count(); }

  bool may_pool_ = false;
  int32_t page_count_ = 0;
  int32_t group_count_ = 0;
  int32_t context_ = 0;
  int32_t vocab_ = 0;
  int32_t max_entries_ = 0;
  std::vector<Slot> slots_;
  AlignedBuffer entries_;  // [slots, groups, max_entries] PageEntry
  AlignedBuffer biases_;   // [slots, kBiasPerSlotMax] LogitBias
  TokenHistory history_;
  std::vector<SavedSlot> saved_slots_;
  std::vector<SavedEntry> saved_entries_;
};

}  // namespace fairlane
