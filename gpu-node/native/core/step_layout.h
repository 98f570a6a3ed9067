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

inline constexpr int32_t kStepLayoutVersion = 4;
inline constexpr int32_t kHeaderWords = 16;
inline constexpr int32_t kColumnAlignBytes = 64;

// Capacities of a plan and its result, fixed when the engine opens.
struct StepCapacity {
  int32_t rows;              // most rows (running requests) in a step
  int32_t tokens;            // most tokens in a step
  int32_t page_updates;      // most page-table deltas in a step
  int32_t sampling_updates;  // most slots whose sampling parameters change in a step
  int32_t slot_resets;       // most slots cleared in a step
  int32_t bias_updates;      // most logit biases that are set in a step
  int32_t top_tokens;        // most likeliest tokens that a step reports: rows x kTopLogprobsMax
  int32_t copied_pages;      // most pages that a step copies
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
  kPlanBiasUpdates = 7,      // logit biases in use
  kPlanPageCopies = 8,       // page copies in use
};

// X(name, element type, capacity field). Deltas apply in this order: slot resets, page updates,
// sampling updates, biases, page copies; then the rows run.
//   slot_reset         slot whose page table, position counter, last sample, token history and
//                      biases are cleared
//   page_slot          slot whose page table changes
//   page_entry         index of the entry in the group's table (entries are dense: 0 .. n - 1)
//   page_kv_group      KV group whose table and page it is (core/kv_groups.h)
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
//   row_adapter        adapter slot, kNone without
//   row_n_logit_rows   trailing positions that are sampled: 1, or 0 before the prompt's last chunk
//   row_draft_len      draft tokens to verify, 0 without speculation
//   row_mask_slot      mask of the tokens that may be sampled: an index into the engine's masks,
//   one
//                      for each slot; kNone without
//   token              host tokens, rows' tokens one after another
//   sampling_min_p     0 = off
//   sampling_typical_p 0 or 1 = off
//   sampling_repetition_penalty  0 or 1 = off
//   sampling_presence_penalty    0 = off
//   sampling_frequency_penalty   0 = off
//   sampling_prompt_tokens       positions below are the prompt; tokens computed at later ones
//                      count as outputs. A slot with a penalty computes every position from 0 on,
//                      since penalties read its history
//   sampling_top_logprobs        likeliest tokens to report with each sample, 0 .. kTopLogprobsMax
//   bias_slot          slot whose logits are biased; the entries of a slot stand together and
//                      replace those that it had, at most kBiasPerSlotMax
//   bias_token         token whose logit changes
//   bias_value         what is added to it; minus infinity suppresses the token
//   bias_until_pos     the bias holds for logits of positions below
//   copy_src_page      page whose bytes are copied, as they were before the step
//   copy_dst_page      page that gets them; the target of one copy only and the source of none
//   sampling_pooling   what becomes of the slot's hidden states: 0 = nothing, 1 = the last
//   position's
//                      are its embedding, 2 = their mean over all positions, which the slot then
//                      computes from 0 on. The embedding is of unit length and stands in the slot's
//                      part of the embedding buffer after every step with a row of the slot
#define FAIRLANE_PLAN_COLUMNS(X)                        \
  X(slot_reset, i32, slot_resets)                       \
  X(page_slot, i32, page_updates)                       \
  X(page_entry, i32, page_updates)                      \
  X(page_kv_group, i32, page_updates)                   \
  X(page_id, i32, page_updates)                         \
  X(page_first_pos, i32, page_updates)                  \
  X(page_n_valid, i32, page_updates)                    \
  X(sampling_slot, i32, sampling_updates)               \
  X(sampling_top_k, i32, sampling_updates)              \
  X(sampling_seed_lo, i32, sampling_updates)            \
  X(sampling_seed_hi, i32, sampling_updates)            \
  X(sampling_temperature, f32, sampling_updates)        \
  X(sampling_top_p, f32, sampling_updates)              \
  X(row_slot, i32, rows)                                \
  X(row_n_tokens, i32, rows)                            \
  X(row_first_pos, i32, rows)                           \
  X(row_token_offset, i32, rows)                        \
  X(row_adapter, i32, rows)                             \
  X(row_n_logit_rows, i32, rows)                        \
  X(row_draft_len, i32, rows)                           \
  X(row_mask_slot, i32, rows)                           \
  X(token, i32, tokens)                                 \
  X(sampling_min_p, f32, sampling_updates)              \
  X(sampling_typical_p, f32, sampling_updates)          \
  X(sampling_repetition_penalty, f32, sampling_updates) \
  X(sampling_presence_penalty, f32, sampling_updates)   \
  X(sampling_frequency_penalty, f32, sampling_updates)  \
  X(sampling_prompt_tokens, i32, sampling_updates)      \
  X(sampling_top_logprobs, i32, sampling_updates)       \
  X(bias_slot, i32, bias_updates)                       \
  X(bias_token, i32, bias_updates)                      \
  X(bias_value, f32, bias_updates)                      \
  X(bias_until_pos, i32, bias_updates)                  \
  X(copy_src_page, i32, copied_pages)                   \
  X(copy_dst_page, i32, copied_pages)                   \
  X(sampling_pooling, i32, sampling_updates)

inline constexpr int32_t kTopLogprobsMax = 20;
inline constexpr int32_t kBiasPerSlotMax = 384;
inline constexpr int32_t kFromDevice = -1;
inline constexpr int32_t kNone = -1;

// Words of one mask: bit t % 32 of word t / 32 set = token t may be sampled.
inline constexpr int32_t MaskWords(int32_t vocab) { return (vocab + 31) / 32; }

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
  kStepBadSampling = 8,  // a sampling parameter or bias out of range, or a penalty without history
  kStepBadAdapter = 9,   // an adapter slot that is not set
};

// Ragged: row r of the plan produced result_n_out[r] tokens starting at result_offset[r]; a sampled
// row whose mask and biases leave no token produced none. The token
// at offset t comes with result_n_top[t] likeliest tokens, at t * kTopLogprobsMax of the top
// columns; log-probabilities are those of the unmodified distribution.
#define FAIRLANE_RESULT_COLUMNS(X)     \
  X(result_row, i32, rows)             \
  X(result_n_out, i32, rows)           \
  X(result_offset, i32, rows)          \
  X(result_token, i32, rows)           \
  X(result_logprob, f32, rows)         \
  X(result_n_top, i32, rows)           \
  X(result_top_token, i32, top_tokens) \
  X(result_top_logprob, f32, top_tokens)

}  // namespace fairlane
