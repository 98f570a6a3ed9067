// Sampling through the engine: penalties read a slot's whole history whatever the chunks and the
// batch, biases hold until their position, likeliest tokens come with each sample, and what is out
// of range is refused.
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <set>

#include "core/engine.h"
#include "test/check.h"
#include "test/plan_builder.h"
#include "test/test_model.h"

namespace fairlane::test {
namespace {

struct EngineCloser {
  void operator()(Engine* engine) const { fairlane_engine_close(engine); }
};
using EnginePointer = std::unique_ptr<Engine, EngineCloser>;

EnginePointer OpenEngine(const TestModel& model) {
  const std::string path = model.manifest_path();
  EngineOptions options = {};
  options.manifest_path = path.c_str();
  options.plugin_folder = FAIRLANE_PLUGIN_FOLDER;
  options.isa = "generic";
  options.numerics = "int8";
  options.attention = "auto";
  options.kv_type = "f16";
  options.adapter_type = "f16";
  options.page_count = kPages;
  options.slot_count = 4;
  options.thread_count = 2;
  options.capacity = kCapacity;
  char error[512] = "";
  EnginePointer engine(fairlane_engine_open(&options, error, sizeof(error)));
  if (engine == nullptr) {
    Fail(__FILE__, __LINE__, error);
    std::exit(Report("engine_sampling_test"));
  }
  return engine;
}

Result RunStep(Engine* engine, const Plan& plan) {
  Result result;
  fairlane_engine_submit(engine, plan.data());
  fairlane_engine_wait(engine, 60000, result.buffer.data());
  return result;
}

void Expect(const Result& result, StepStatus status) {
  CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(status));
}

const std::vector<int32_t> kPrompt = {5, 6, 7, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

// 24 tokens of slot 0, optionally beside a sampled row of slot 1; `set_up` adds to the first plan.
template <typename SetUp>
std::vector<int32_t> Generate(Engine* engine, int32_t chunk, bool has_neighbour, SetUp set_up) {
  std::vector<int32_t> out;
  const auto total = static_cast<int32_t>(kPrompt.size());
  for (int32_t done = 0; done < total + 23;) {
    Plan plan;
    const bool is_prompt = done < total;
    const int32_t count = is_prompt ? std::min(chunk, total - done) : 1;
    if (done == 0) {
      plan.Reset(0);
      for (int32_t page = 0; page < 3; ++page) plan.Page(0, page, page, page * 16);
      set_up(&plan);
      if (has_neighbour) {
        plan.Reset(1).Sampling(1, 1.3F, 0.9F, 0, 77);
        for (int32_t page = 0; page < 4; ++page) plan.Page(1, page, 10 + page, page * 16);
      }
    }
    const auto begin = kPrompt.begin() + done;
    if (is_prompt) plan.Row(0, done, {begin, begin + count}, done + count >= total ? 1 : 0);
    if (!is_prompt) plan.Row(0, kFromDevice, {});
    if (has_neighbour) plan.Row(1, kFromDevice, done == 0 ? kPrompt : std::vector<int32_t>());
    if (done == 0 && has_neighbour) Plan::At(plan.view().row_first_pos, 1) = 0;
    done += count;
    const Result result = RunStep(engine, plan);
    Expect(result, kStepOk);
    if (done >= total) out.push_back(result.token(0));
  }
  return out;
}

void Penalties(Engine* engine) {
  const auto frequency = [](Plan* plan) {
    plan->Sampling(0, 0.0F)
        .With(&PlanView::sampling_frequency_penalty, 1000.0F)
        .With(&PlanView::sampling_prompt_tokens, static_cast<int32_t>(kPrompt.size()));
  };
  const std::vector<int32_t> expected = Generate(engine, 17, false, frequency);
  CHECK_EQ(std::set<int32_t>(expected.begin(), expected.end()).size(), expected.size());
  for (const int32_t chunk : {1, 5, 16}) {
    CHECK(Generate(engine, chunk, false, frequency) == expected);
    CHECK(Generate(engine, chunk, true, frequency) == expected);
  }
  // The prompt counts as output when it is said to end before its tokens: none of them comes again.
  const auto repeated = Generate(engine, 17, false, [](Plan* plan) {
    plan->Sampling(0, 0.0F).With(&PlanView::sampling_frequency_penalty, 1000.0F);
  });
  for (const int32_t token : repeated)
    CHECK(std::find(kPrompt.begin(), kPrompt.end(), token) == kPrompt.end());
  // Without a penalty the same slot has forgotten everything.
  const auto plain = [](Plan* plan) { plan->Sampling(0, 0.0F); };
  CHECK(Generate(engine, 3, false, plain) == Generate(engine, 17, true, plain));
}

void Seeds(Engine* engine) {
  const auto sampled = [](Plan* plan) {
    plan->Sampling(0, 1.2F, 0.95F, 0, 5)
        .With(&PlanView::sampling_min_p, 0.01F)
        .With(&PlanView::sampling_typical_p, 0.9F)
        .With(&PlanView::sampling_repetition_penalty, 1.2F)
        .With(&PlanView::sampling_prompt_tokens, static_cast<int32_t>(kPrompt.size()));
  };
  const std::vector<int32_t> expected = Generate(engine, 17, false, sampled);
  CHECK(Generate(engine, 4, true, sampled) == expected);
}

void Biases(Engine* engine) {
  const auto plain = [](Plan* plan) { plan->Sampling(0, 0.0F); };
  const std::vector<int32_t> free = Generate(engine, 17, false, plain);
  const auto forced = Generate(
      engine, 17, false, [](Plan* plan) { plan->Sampling(0, 0.0F).Bias(0, 42, 1000.0F, 20); });
  // Logits of positions 16 .. 19 are biased: the first four tokens.
  for (size_t i = 0; i < 4; ++i) CHECK_EQ(forced[i], 42);
  CHECK(forced[4] != 42);
  const auto suppressed = Generate(engine, 17, false, [&](Plan* plan) {
    plan->Sampling(0, 0.0F).Bias(0, free[0], -std::numeric_limits<float>::infinity());
  });
  CHECK(std::find(suppressed.begin(), suppressed.end(), free[0]) == suppressed.end());
  CHECK(Generate(engine, 17, false, plain) == free);  // a reset forgets the biases
}

void Masks(Engine* engine) {
  Plan without;
  without.Reset(0).Page(0, 0, 0, 0).Row(0, 0, {3});
  Plan::At(without.view().row_mask_slot, 0) = 0;
  Expect(RunStep(engine, without), kStepBadRow);  // the engine has no masks yet

  constexpr size_t kWords = (TestModel::kVocab + 31) / 32;
  CHECK_EQ(fairlane_mask_bytes(engine), 4 * kWords * sizeof(uint32_t));
  static std::vector<uint32_t> masks(4 * kWords);  // outlives the engine
  fairlane_engine_use_masks(engine, masks.data());
  masks[2 * kWords + 1] = 1U << 9;  // mask 2 allows token 41
  const auto run = [&](int32_t mask) {
    Plan plan;
    plan.Reset(0).Reset(1).Page(0, 0, 0, 0).Page(0, 1, 1, 16).Page(1, 0, 2, 0);
    plan.Row(0, 0, kPrompt).Row(1, 0, {3});
    Plan::At(plan.view().row_mask_slot, 0) = mask;
    return RunStep(engine, plan);
  };
  const Result free = run(kNone);
  const Result masked = run(2);
  Expect(masked, kStepOk);
  CHECK_EQ(masked.token(0), 41);
  CHECK_EQ(masked.token(1), free.token(1));
  const Result empty = run(3);
  Expect(empty, kStepOk);
  CHECK_EQ(empty.view.result_n_out[0], 0);
  CHECK_EQ(empty.view.result_n_out[1], 1);
  CHECK_EQ(empty.token(1), free.token(1));
  for (const int32_t bad : {-2, 4}) Expect(run(bad), kStepBadRow);
}

void TopLogprobs(Engine* engine) {
  Plan plan;
  plan.Reset(0).Reset(1).Page(0, 0, 0, 0).Page(0, 1, 1, 16).Page(1, 0, 2, 0);
  plan.Sampling(0, 0.0F).With(&PlanView::sampling_top_logprobs, 20).Sampling(1, 0.0F);
  plan.Row(1, 0, {3}).Row(0, 0, kPrompt);
  const Result result = RunStep(engine, plan);
  Expect(result, kStepOk);
  const int32_t at = result.view.result_offset[1];
  CHECK_EQ(result.view.result_n_top[result.view.result_offset[0]], 0);
  CHECK_EQ(result.view.result_n_top[at], 20);
  const int32_t* top = result.view.result_top_token + at * kTopLogprobsMax;
  const float* logprobs = result.view.result_top_logprob + at * kTopLogprobsMax;
  CHECK_EQ(top[0], result.token(1));
  CHECK(logprobs[0] == result.view.result_logprob[at]);
  for (int32_t i = 1; i < 20; ++i) CHECK(logprobs[i] <= logprobs[i - 1]);
}

void Refusals(Engine* engine) {
  const auto refuses = [&](StepStatus status, auto edit) {
    Plan plan;
    plan.Reset(0).Page(0, 0, 0, 0, 4);
    edit(plan);
    Expect(RunStep(engine, plan), status);
  };
  const float nan = std::nanf("");
  const float infinity = std::numeric_limits<float>::infinity();
  refuses(kStepBadSlot, [](Plan& plan) { plan.Bias(4, 1, 1.0F); });
  refuses(kStepBadToken, [](Plan& plan) { plan.Bias(0, TestModel::kVocab, 1.0F); });
  refuses(kStepBadSampling, [&](Plan& plan) { plan.Bias(0, 1, nan); });
  refuses(kStepBadSampling, [&](Plan& plan) { plan.Bias(0, 1, infinity); });
  refuses(kStepBadCount, [](Plan& plan) { plan.Header(kPlanBiasUpdates) = 17; });
  const auto with = [&](auto column, auto value) {
    refuses(kStepBadSampling, [&](Plan& plan) { plan.Sampling(0, 1.0F).With(column, value); });
  };
  with(&PlanView::sampling_min_p, 1.5F);
  with(&PlanView::sampling_typical_p, 1.5F);
  with(&PlanView::sampling_repetition_penalty, -1.0F);
  with(&PlanView::sampling_presence_penalty, nan);
  with(&PlanView::sampling_frequency_penalty, infinity);
  with(&PlanView::sampling_top_logprobs, 21);
  // Four positions came from elsewhere: a penalty would not know their tokens.
  const auto from_cache = [](float penalty) {
    return [penalty](Plan& plan) {
      plan.Sampling(0, 0.0F).With(&PlanView::sampling_presence_penalty, penalty);
      plan.Row(0, 4, {1});
    };
  };
  refuses(kStepBadSampling, from_cache(0.5F));
  refuses(kStepOk, from_cache(0.0F));
}

}  // namespace
}  // namespace fairlane::test

int main() {
  using namespace fairlane::test;
  const TestModel model;
  const EnginePointer engine = OpenEngine(model);
  Penalties(engine.get());
  Seeds(engine.get());
  Biases(engine.get());
  Masks(engine.get());
  TopLogprobs(engine.get());
  Refusals(engine.get());
  return Report("engine_sampling_test");
}
