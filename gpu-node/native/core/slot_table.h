// Owns the state of all slots on the device side of the border: page table, position counter, last
// sample and sampling parameters. A plan's deltas are applied with an undo log, so that a refused
// plan leaves no trace. Invariant: entries 0 .. entry_count - 1 of a slot were all set by a plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/step_views.h"
#include "ops/sample_token.h"

namespace fairlane {

struct PageEntry {
  int32_t page;
  int32_t first_pos;
  int32_t n_valid;
};

struct Slot {
  int32_t entry_count = 0;
  int32_t next_pos = 0;        // one past the last computed position
  int32_t last_token = kNone;  // last sample
  SamplingParams sampling;
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
  int32_t context;
  StepCapacity capacity;
};

class SlotTable {
 public:
  bool Open(const SlotTableOptions& options, std::string* error);

  int32_t slot_count() const { return static_cast<int32_t>(slots_.size()); }
  int32_t max_entries() const { return max_entries_; }
  Slot& slot(int32_t index) { return slots_[static_cast<size_t>(index)]; }
  PageEntry* entries(int32_t index) {
    return entries_.As<PageEntry>() +
           static_cast<size_t>(index) * static_cast<size_t>(max_entries_);
  }

  // Applies slot resets, page updates and sampling updates. On a failure everything is undone.
  StepCheck Apply(const PlanView& plan);
  // Undoes the last successful Apply (its rows were refused).
  void Undo();

 private:
  struct SavedSlot {
    int32_t index;
    Slot slot;
  };
  struct SavedEntry {
    int32_t slot;
    int32_t entry;
    PageEntry value;
  };

  StepCheck ApplyResets(const PlanView& plan);
  StepCheck ApplyPages(const PlanView& plan);
  StepCheck ApplySampling(const PlanView& plan);
  bool IsSlot(int32_t index) const { return index >= 0 && index < slot_count(); }

  int32_t page_count_ = 0;
  int32_t context_ = 0;
  int32_t max_entries_ = 0;
  std::vector<Slot> slots_;
  AlignedBuffer entries_;  // [slots, max_entries] PageEntry
  std::vector<SavedSlot> saved_slots_;
  std::vector<SavedEntry> saved_entries_;
};

}  // namespace fairlane
