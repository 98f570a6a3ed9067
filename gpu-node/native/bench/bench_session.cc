// See bench_session.h.
#include "bench/bench_session.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "ops/append_kv.h"

namespace fairlane::bench {
namespace {

// Wall and CPU time since its making.
class Stopwatch {
 public:
  Timing Stop(bool ok, int64_t tokens) const {
    const auto wall = std::chrono::steady_clock::now() - wall_;
    const auto cpu = static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC;
    return {ok, std::chrono::duration<double>(wall).count(), cpu, tokens};
  }

 private:
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  std::clock_t cpu_ = std::clock();
};

// Columns of a view are const for the engine; a session writes them.
template <typename T>
T& At(const T* column, int32_t index) {
  return const_cast<T*>(column)[index];
}

// A fixed, scattered choice of tokens: speed does not depend on which.
int32_t TokenAt(int32_t slot, int32_t position, int32_t vocab) {
  const auto mixed =
      static_cast<uint32_t>(position + 1) * 2654435761U ^ static_cast<uint32_t>(slot + 1) * 40503U;
  return static_cast<int32_t>(mixed % static_cast<uint32_t>(vocab));
}

}  // namespace

SessionShape ShapeFor(int32_t sequences, int32_t tokens, int32_t vocab) {
  const int32_t pages = (tokens + kPageTokens - 1) / kPageTokens + 1;
  return {.capacity = {.rows = sequences,
                       .tokens = kStepTokens,
                       .page_updates = std::max(kStepTokens / kPageTokens, pages) + sequences,
                       .sampling_updates = sequences,
                       .slot_resets = sequences,
                       .bias_updates = 1,
                       .top_tokens = sequences * kTopLogprobsMax,
                       .copied_pages = 1},
          .page_count = pages * sequences,
          .vocab = vocab};
}

Session::Session(const SessionShape& shape, RunStep run)
    : shape_(shape),
      run_(std::move(run)),
      plan_(PlanBytes(shape.capacity)),
      result_(ResultBytes(shape.capacity)),
      view_(ViewPlan(shape.capacity, plan_.data())),
      pages_per_slot_(shape.page_count / shape.capacity.rows) {}

void Session::Begin() {
  std::fill(plan_.begin(), plan_.end(), uint8_t{0});
  At(view_.header, kPlanVersion) = kStepLayoutVersion;
  At(view_.header, kPlanStepId) = ++step_id_;
}

void Session::OpenSlot(int32_t slot) {
  At(view_.slot_reset, At(view_.header, kPlanSlotResets)++) = slot;
  const int32_t update = At(view_.header, kPlanSamplingUpdates)++;
  At(view_.sampling_slot, update) = slot;
  At(view_.sampling_top_p, update) = 1.0F;
}

void Session::SharePages(int32_t slot, int32_t tokens) {
  for (int32_t entry = 0; entry < tokens / kPageTokens; ++entry) {
    const int32_t update = At(view_.header, kPlanPageUpdates)++;
    At(view_.page_slot, update) = slot;
    At(view_.page_entry, update) = entry;
    At(view_.page_id, update) = entry;
    At(view_.page_first_pos, update) = entry * kPageTokens;
    At(view_.page_n_valid, update) = kPageTokens;
  }
}

void Session::AddRow(int32_t slot, int32_t first_pos, int32_t count, bool samples) {
  if (first_pos == 0) OpenSlot(slot);
  for (int32_t position = first_pos; position < first_pos + count; ++position) {
    if (position % kPageTokens != 0) continue;
    const int32_t update = At(view_.header, kPlanPageUpdates)++;
    const int32_t entry = position / kPageTokens;
    At(view_.page_slot, update) = slot;
    At(view_.page_entry, update) = entry;
    At(view_.page_id, update) = slot * pages_per_slot_ + entry;
    At(view_.page_first_pos, update) = position;
  }
  const int32_t row = At(view_.header, kPlanRows)++;
  const int32_t offset = At(view_.header, kPlanTokens);
  At(view_.row_slot, row) = slot;
  At(view_.row_n_tokens, row) = count;
  At(view_.row_first_pos, row) = first_pos;
  At(view_.row_token_offset, row) = offset;
  const auto index = static_cast<size_t>(slot);
  At(view_.row_adapter, row) = index < adapter_slots_.size() ? adapter_slots_[index] : kNone;
  At(view_.row_mask_slot, row) = kNone;
  At(view_.row_n_logit_rows, row) = samples ? 1 : 0;
  for (int32_t i = 0; i < count; ++i)
    At(view_.token, offset + i) = TokenAt(slot, first_pos + i, shape_.vocab);
  At(view_.header, kPlanTokens) = offset + count;
}

bool Session::Finish() {
  if (!run_(plan_.data(), result_.data())) return false;
  const ResultView result = ViewResult(shape_.capacity, result_.data());
  return result.header[kResultStatus] == kStepOk;
}

bool Session::ComputePrompt(int32_t slot, int32_t prompt_tokens) {
  for (int32_t done = 0; done < prompt_tokens; done += kStepTokens) {
    const int32_t count = std::min(kStepTokens, prompt_tokens - done);
    Begin();
    AddRow(slot, done, count, done + count == prompt_tokens);
    if (!Finish()) return false;
  }
  return true;
}

// The row feeds back its own last sample, as a running request does.
bool Session::DecodeStep(int32_t sequences, int32_t position) {
  Begin();
  for (int32_t slot = 0; slot < sequences; ++slot) {
    AddRow(slot, position, 1, true);
    At(view_.row_token_offset, slot) = kFromDevice;
  }
  At(view_.header, kPlanTokens) = 0;
  return Finish();
}

Timing Session::Prefill(int32_t prompt_tokens) {
  const Stopwatch watch;
  const bool ok = ComputePrompt(0, prompt_tokens);
  return watch.Stop(ok, prompt_tokens);
}

Timing Session::Decode(int32_t sequences, int32_t prompt_tokens, int32_t new_tokens) {
  bool ok = true;
  for (int32_t slot = 0; ok && slot < sequences; ++slot) ok = ComputePrompt(slot, prompt_tokens);
  const Stopwatch watch;
  for (int32_t i = 0; ok && i < new_tokens; ++i) ok = DecodeStep(sequences, prompt_tokens + i);
  return watch.Stop(ok, int64_t{sequences} * new_tokens);
}

Timing Session::DecodeShared(int32_t sequences, int32_t prefix_tokens, int32_t new_tokens) {
  prefix_tokens -= prefix_tokens % kPageTokens;
  bool ok = ComputePrompt(0, prefix_tokens);
  for (int32_t slot = 0; ok && slot < sequences; ++slot) {
    Begin();
    if (slot > 0) {
      OpenSlot(slot);
      SharePages(slot, prefix_tokens);
    }
    AddRow(slot, prefix_tokens, 1, true);
    ok = Finish();
  }
  const Stopwatch watch;
  for (int32_t i = 1; ok && i <= new_tokens; ++i) ok = DecodeStep(sequences, prefix_tokens + i);
  return watch.Stop(ok, int64_t{sequences} * new_tokens);
}

}  // namespace fairlane::bench
