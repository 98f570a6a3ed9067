// Owns the checking of a plan's rows against the slots and their translation into a StepBatch. It
// changes no slot: Commit does, after every row has passed. Invariant: a resolved row writes each
// page position at most once and reads only positions that hold a key.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "core/adapter_slots.h"
#include "core/kv_groups.h"
#include "core/page_pool.h"
#include "core/slot_table.h"
#include "core/step_batch.h"

namespace fairlane {

struct RowResolverOptions {
  SlotTable* slots;
  const PagePool* pages;
  const KvGroups* groups;
  const AdapterSlots* adapters;
  StepCapacity capacity;
  int32_t vocab;
  int32_t context;
  int32_t kv_heads;
  int32_t threads;
};

class RowResolver {
 public:
  bool Open(const RowResolverOptions& options, std::string* error);

  // Rows may name masks 0 .. count - 1; none until this is called.
  void SetMaskCount(int32_t count) { mask_count_ = count; }
  // Checks all rows and fills `batch`.
  StepCheck Resolve(const PlanView& plan, StepBatch* batch);
  // Raises the slots' page fill and position counters to what the resolved rows compute.
  void Commit(const PlanView& plan, const StepBatch& batch);

 private:
  // A page-table entry in the order of positions.
  struct OrderedEntry {
    int32_t index;  // in the slot's table
    int32_t page;
    int32_t first_pos;
    int32_t n_valid;  // after this row
    int32_t limit;    // tokens it may hold before the next entry begins
  };

  // The new fill of a page that a row writes.
  struct Raise {
    int32_t slot;
    int32_t group;
    int32_t entry;
    int32_t n_valid;
  };

  struct RowShape {
    int32_t slot;
    int32_t first_pos;
    int32_t tokens;
    int32_t token_offset;
  };

  // The order of a batch's rows: those without an adapter, then adapter by adapter; rows of one
  // token first, and side by side if they begin with the same page; else as in the plan.
  struct RowOrder {
    int32_t adapter;
    bool has_many_tokens;
    int32_t first_page;
    int32_t row;
    auto operator<=>(const RowOrder&) const = default;
  };

  RowOrder OrderOf(const PlanView& plan, int32_t row) const;
  // Fills order_ with the plan's rows.
  StepCheck OrderRows(const PlanView& plan);
  // Resolves one row of the plan and appends it to the batch.
  StepCheck AddRow(const PlanView& plan, int32_t row, StepBatch* batch);
  StepCheck CheckRow(const PlanView& plan, int32_t row, RowShape* shape);
  // The row's part in one KV group.
  StepStatus ResolveGroup(const RowShape& shape, int32_t group, StepBatch* batch);
  StepStatus OrderEntries(const RowShape& shape, int32_t group);
  StepStatus PlaceTokens(const RowShape& shape, int32_t group, StepBatch* batch);
  void ListBlocks(const RowShape& shape, int32_t group, StepBatch* batch);
  void ListRaises(const RowShape& shape, int32_t group);
  void ListTokens(const PlanView& plan, const RowShape& shape, StepBatch* batch);
  void ListSegment(const RowShape& shape, int32_t adapter_slot, StepBatch* batch);

  RowResolverOptions options_ = {};
  int32_t mask_count_ = 0;
  uint32_t serial_ = 0;
  std::vector<uint32_t> slot_serial_;  // last step in which a slot had a row
  AlignedBuffer page_serial_;          // [pages] uint32: last step in which a page was written
  std::vector<OrderedEntry> ordered_;
  std::vector<Raise> raises_;
  std::vector<RowOrder> order_;
};

}  // namespace fairlane
