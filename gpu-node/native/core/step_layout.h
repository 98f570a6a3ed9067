// The columns of a step plan and of a step result, as they lie in two flat buffers that cross the
// border. gpu-node/src/engine/step-layout.ts describes the same columns;
// test/tidy/step-layout.test.ts compares both. Versioned: later versions add columns at the end of
// a list and never rename or move one.
//
// A buffer is a header of kHeaderWords int32 words, then the columns in list order. A column holds
// `capacity` elements of 4 bytes (i32 or f32) and starts at the next multiple of kColumnAlignBytes.
#pragma once

#include <cstdint>

namespace fairlane {

inline constexpr int32_t kStepLayoutVersion = 1;
inline constexpr int32_t kHeaderWords = 16;
inline constexpr int32_t kColumnAlignBytes = 64;

// Capacities of a plan and its result, fixed when the engine opens.
struct StepCapacity {
  int32_t rows;              // most rows (running requests) in a step
  int32_t tokens;            // most tokens in a step
  int32_t page_updates;      // most page-table deltas in a step
  int32_t sampling_updates;  // most slots whose sampling parameters change in a step
  int32_t slot_resets;       // most slots cleared in a step
};

// Header words of a plan.
enum PlanHeader : int32_t {
  kPlanVersion = 0,          // kStepLayoutVersion
  kPlanStepId = 1,           // counts up from 1; the fence that the result carries back
  kPlanRows = 2,             // rows in use
  kPlanTokens = 3,           // host tokens in use
  kPlanPageUpdates = 4,      // page-table deltas in use
  kPlanSamplingUpdates = 5,  // sampling updates in use
  kPlanSlotResets = 6,       // slot resets in use
};

// X(name, element type, capacity field). Deltas apply in this order: slot resets, page updates,
// sampling updates; then the rows run.
//   slot_reset         slot whose page table, position counter and last sample are cleared
//   page_slot          slot whose page table changes
//   page_entry         index of the entry in that table (entries are dense: 0 .. n - 1)
//   page_kv_group      KV group of the page (0 until a model has more than one)
//   page_id            page of the pool
//   page_first_pos     position of the page's first token
//   page_n_valid       tokens of the page already valid (0 for a fresh page; the append raises it)
//   sampling_slot      slot whose sampling parameters change
//   sampling_top_k     0 = off
//   sampling_seed_lo   low 32 bits of the seed of the counter-based generator
//   sampling_seed_hi   high 32 bits
//   sampling_temperature  0 = greedy
//   sampling_top_p     1 = off
//   row_slot           slot of the row; a slot appears in at most one row of a step
//   row_n_tokens       tokens computed for the row in this step, >= 1
//   row_first_pos      position of the first of them; kFromDevice = one past the slot's last one
//   row_token_offset   offset of the row's tokens in `token`; kFromDevice = the slot's own last
//                      sample (then row_n_tokens is 1)
//   row_adapter        adapter id, kNone without
//   row_n_logit_rows   trailing positions that are sampled: 1, or 0 before the prompt's last chunk
//   row_draft_len      draft tokens to verify, 0 without speculation
//   row_mask_slot      grammar mask slot, kNone without
//   token              host tokens, rows' tokens one after another
#define FAIRLANE_PLAN_COLUMNS(X)                 \
  X(slot_reset, i32, slot_resets)                \
  X(page_slot, i32, page_updates)                \
  X(page_entry, i32, page_updates)               \
  X(page_kv_group, i32, page_updates)            \
  X(page_id, i32, page_updates)                  \
  X(page_first_pos, i32, page_updates)           \
  X(page_n_valid, i32, page_updates)             \
  X(sampling_slot, i32, sampling_updates)        \
  X(sampling_top_k, i32, sampling_updates)       \
  X(sampling_seed_lo, i32, sampling_updates)     \
  X(sampling_seed_hi, i32, sampling_updates)     \
  X(sampling_temperature, f32, sampling_updates) \
  X(sampling_top_p, f32, sampling_updates)       \
  X(row_slot, i32, rows)                         \
  X(row_n_tokens, i32, rows)                     \
  X(row_first_pos, i32, rows)                    \
  X(row_token_offset, i32, rows)                 \
  X(row_adapter, i32, rows)                      \
  X(row_n_logit_rows, i32, rows)                 \
  X(row_draft_len, i32, rows)                    \
  X(row_mask_slot, i32, rows)                    \
  X(token, i32, tokens)

inline constexpr int32_t kFromDevice = -1;
inline constexpr int32_t kNone = -1;

// Header words of a result.
enum ResultHeader : int32_t {
  kResultVersion = 0,    // kStepLayoutVersion
  kResultStepId = 1,     // the plan's step id: the fence of the completed step
  kResultRows = 2,       // rows of the plan
  kResultStatus = 3,     // kStepOk or a StepStatus below
  kResultBadRow = 4,     // row or update that a refused plan failed at, kNone otherwise
  kResultTokens = 5,     // output tokens in use
  kResultComputeUs = 6,  // microseconds between start and end of the compute
};

enum StepStatus : int32_t {
  kStepOk = 0,
  kStepBadVersion = 1,
  kStepBadCount = 2,  // a count in the header is negative or above its capacity
  kStepBadSlot = 3,
  kStepBadPage = 4,      // page id, entry, group or positions out of range
  kStepBadRow = 5,       // token count, offset, position or duplicate slot
  kStepBadToken = 6,     // token id outside the vocabulary
  kStepUnmapped = 7,     // a position that the row computes or reads has no page
  kStepBadSampling = 8,  // NaN, negative temperature, top_p outside (0, 1], negative top_k
};

// Ragged: row r of the plan produced result_n_out[r] tokens starting at result_offset[r].
#define FAIRLANE_RESULT_COLUMNS(X) \
  X(result_row, i32, rows)         \
  X(result_n_out, i32, rows)       \
  X(result_offset, i32, rows)      \
  X(result_token, i32, rows)       \
  X(result_logprob, f32, rows)

}  // namespace fairlane
