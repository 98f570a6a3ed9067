// Owns the writing of step plans and reading of results in native tests, for engines of one fixed
// capacity.
#pragma once

#include <cstdint>
#include <vector>

#include "core/step_views.h"

namespace fairlane::test {

inline constexpr StepCapacity kCapacity = {4, 96, 32, 4, 4, 16, 4 * kTopLogprobsMax, 4};
inline constexpr int32_t kPages = 32;

// A plan under construction. Columns of the view are const for the engine; tests write them.
class Plan {
 public:
  Plan() : buffer_(PlanBytes(kCapacity)), view_(ViewPlan(kCapacity, buffer_.data())) {
    static int32_t step_id = 0;
    Header(kPlanVersion) = kStepLayoutVersion;
    Header(kPlanStepId) = ++step_id;
  }

  int32_t& Header(PlanHeader word) { return const_cast<int32_t*>(view_.header)[word]; }
  template <typename T>
  static T& At(const T* column, int32_t index) {
    return const_cast<T*>(column)[index];
  }
  const PlanView& view() const { return view_; }
  const uint8_t* data() const { return buffer_.data(); }

  Plan& Reset(int32_t slot) {
    At(view_.slot_reset, Header(kPlanSlotResets)++) = slot;
    return *this;
  }
  Plan& Page(int32_t slot, int32_t entry, int32_t page, int32_t first_pos, int32_t n_valid = 0,
             int32_t kv_group = 0) {
    const int32_t i = Header(kPlanPageUpdates)++;
    At(view_.page_kv_group, i) = kv_group;
    At(view_.page_slot, i) = slot;
    At(view_.page_entry, i) = entry;
    At(view_.page_id, i) = page;
    At(view_.page_first_pos, i) = first_pos;
    At(view_.page_n_valid, i) = n_valid;
    return *this;
  }
  Plan& Sampling(int32_t slot, float temperature, float top_p = 1.0F, int32_t top_k = 0,
                 int32_t seed = 1) {
    const int32_t i = Header(kPlanSamplingUpdates)++;
    At(view_.sampling_slot, i) = slot;
    At(view_.sampling_temperature, i) = temperature;
    At(view_.sampling_top_p, i) = top_p;
    At(view_.sampling_top_k, i) = top_k;
    At(view_.sampling_seed_lo, i) = seed;
    return *this;
  }
  // Changes the last sampling update.
  template <typename T>
  Plan& With(const T* PlanView::* column, T value) {
    At(view_.*column, Header(kPlanSamplingUpdates) - 1) = value;
    return *this;
  }
  Plan& Bias(int32_t slot, int32_t token, float value, int32_t until_pos = 1 << 20) {
    const int32_t i = Header(kPlanBiasUpdates)++;
    At(view_.bias_slot, i) = slot;
    At(view_.bias_token, i) = token;
    At(view_.bias_value, i) = value;
    At(view_.bias_until_pos, i) = until_pos;
    return *this;
  }
  Plan& Copy(int32_t source, int32_t target) {
    const int32_t i = Header(kPlanPageCopies)++;
    At(view_.copy_src_page, i) = source;
    At(view_.copy_dst_page, i) = target;
    return *this;
  }
  Plan& Row(int32_t slot, int32_t first_pos, const std::vector<int32_t>& tokens,
            int32_t logit_rows = 1) {
    const int32_t i = Header(kPlanRows)++;
    At(view_.row_slot, i) = slot;
    At(view_.row_n_tokens, i) = tokens.empty() ? 1 : static_cast<int32_t>(tokens.size());
    At(view_.row_first_pos, i) = first_pos;
    At(view_.row_token_offset, i) = tokens.empty() ? kFromDevice : Header(kPlanTokens);
    At(view_.row_adapter, i) = kNone;
    At(view_.row_n_logit_rows, i) = logit_rows;
    At(view_.row_mask_slot, i) = kNone;
    for (const int32_t token : tokens) At(view_.token, Header(kPlanTokens)++) = token;
    return *this;
  }

 private:
  std::vector<uint8_t> buffer_;
  PlanView view_;
};

struct Result {
  std::vector<uint8_t> buffer = std::vector<uint8_t>(ResultBytes(kCapacity));
  ResultView view = ViewResult(kCapacity, buffer.data());

  int32_t token(int32_t row) const { return view.result_token[view.result_offset[row]]; }
};

}  // namespace fairlane::test
