// Owns the loads that native benches put on an engine: whole prompts, one stream, many sequences.
// It writes step plans and times them; what runs a plan is handed in, so that the engine itself and
// a StepRunner under a profile see the same steps. Invariant: every sequence computes its own
// prompt, in steps of at most the capacity's tokens, and samples greedily.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "core/step_views.h"

namespace fairlane::bench {

// Sizes of the engine that a session drives.
struct SessionShape {
  StepCapacity capacity;
  int32_t page_count;
  int32_t vocab;
};

inline constexpr int32_t kSequencesMax = 64;
inline constexpr int32_t kStepTokens = 512;

// What an engine must hold for `sequences` of `tokens` positions each.
SessionShape ShapeFor(int32_t sequences, int32_t tokens, int32_t vocab);

// Runs one plan and fills the result; false if the plan was refused.
using RunStep = std::function<bool(const uint8_t* plan, uint8_t* result)>;

struct Timing {
  bool ok;
  double seconds;
  double cpu_seconds;  // of all threads of the process
  int64_t tokens;      // the tokens that the seconds were spent on
};

class Session {
 public:
  Session(const SessionShape& shape, RunStep run);

  // The adapter slot of each sequence's rows from now on, kNone without; none at first.
  void UseAdapters(std::vector<int32_t> adapter_slots) {
    adapter_slots_ = std::move(adapter_slots);
  }

  // Seconds from an empty slot to the first sampled token of a prompt.
  Timing Prefill(int32_t prompt_tokens);
  // Seconds of generating `new_tokens` for each of `sequences`, prompts computed beforehand.
  Timing Decode(int32_t sequences, int32_t prompt_tokens, int32_t new_tokens);
  // The same where all sequences begin with the same pages, which hold `prefix_tokens`.
  Timing DecodeShared(int32_t sequences, int32_t prefix_tokens, int32_t new_tokens);

 private:
  void Begin();
  void AddRow(int32_t slot, int32_t first_pos, int32_t count, bool samples);
  void OpenSlot(int32_t slot);
  // Gives a slot the full pages of slot 0's first tokens.
  void SharePages(int32_t slot, int32_t tokens);
  bool Finish();
  bool ComputePrompt(int32_t slot, int32_t prompt_tokens);
  bool DecodeStep(int32_t sequences, int32_t position);

  SessionShape shape_;
  RunStep run_;
  std::vector<uint8_t> plan_;
  std::vector<uint8_t> result_;
  PlanView view_;
  int32_t step_id_ = 0;
  int32_t pages_per_slot_;
  std::vector<int32_t> adapter_slots_;
};

}  // namespace fairlane::bench
