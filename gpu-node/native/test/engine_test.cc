// The engine through its C ABI on a small random model: every way to refuse a plan leaves no trace,
// results do not depend on chunks, batches or pages, and waits, limits and errors of opening.
#include "core/engine.h"

#include <bit>
#include <cstring>
#include <map>
#include <memory>

#include "test/check.h"
#include "test/plan_builder.h"
#include "test/test_model.h"

namespace fairlane::test {
namespace {

struct Settings {
  const char* isa = "generic";
  const char* numerics = "int8";
  bool keep_logits = false;
  const char* kv_type = "f16";
};

EngineOptions OptionsFor(const std::string& manifest_path, const Settings& settings) {
  EngineOptions options = {};
  options.manifest_path = manifest_path.c_str();
  options.plugin_folder = FAIRLANE_PLUGIN_FOLDER;
  options.isa = settings.isa;
  options.numerics = settings.numerics;
  options.attention = "auto";
  options.kv_type = settings.kv_type;
  options.adapter_type = "f16";
  options.page_count = kPages;
  options.slot_count = 4;
  options.thread_count = 2;
  options.capacity = kCapacity;
  options.keep_logits = settings.keep_logits;
  return options;
}

struct EngineCloser {
  void operator()(Engine* engine) const { fairlane_engine_close(engine); }
};
using EnginePointer = std::unique_ptr<Engine, EngineCloser>;

EnginePointer OpenEngine(const TestModel& model, const Settings& settings = {}) {
  const std::string path = model.manifest_path();
  const EngineOptions options = OptionsFor(path, settings);
  char error[512] = "";
  EnginePointer engine(fairlane_engine_open(&options, error, sizeof(error)));
  if (engine == nullptr) {
    Fail(__FILE__, __LINE__, error);
    std::exit(Report("engine_test"));
  }
  return engine;
}

Result RunStep(Engine* engine, const Plan& plan) {
  Result result;
  CHECK_EQ(static_cast<int>(fairlane_engine_submit(engine, plan.data())),
           static_cast<int>(kEngineOk));
  CHECK_EQ(static_cast<int>(fairlane_engine_wait(engine, 60000, result.buffer.data())),
           static_cast<int>(kEngineOk));
  CHECK_EQ(result.view.header[kResultStepId], plan.view().header[kPlanStepId]);
  return result;
}

std::vector<int32_t> Tokens(int32_t count, int32_t seed) {
  Random random(static_cast<uint64_t>(seed));
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = random.Below(TestModel::kVocab);
  return tokens;
}

// Computes a prompt in chunks on slot 0 and then greedy tokens by the device's own samples.
std::vector<int32_t> Generate(Engine* engine, const std::vector<int32_t>& prompt, int32_t chunk,
                              int32_t first_page) {
  std::vector<int32_t> out;
  const auto total = static_cast<int32_t>(prompt.size());
  for (int32_t done = 0; done < total + 11;) {
    Plan plan;
    const int32_t count = done < total ? std::min(chunk, total - done) : 1;
    if (done == 0) plan.Reset(0).Sampling(0, 0.0F);
    for (int32_t position = done; position < done + count; ++position) {
      if (position % 16 == 0)
        plan.Page(0, position / 16, (first_page + position / 16 * 7) % kPages, position);
    }
    const bool is_prompt = done < total;
    const std::vector<int32_t> tokens =
        is_prompt ? std::vector<int32_t>(prompt.begin() + done, prompt.begin() + done + count)
                  : std::vector<int32_t>();
    plan.Row(0, is_prompt ? done : kFromDevice, tokens, done + count >= total ? 1 : 0);
    done += count;
    const Result result = RunStep(engine, plan);
    CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(kStepOk));
    CHECK_EQ(result.view.header[kResultTokens], done >= total ? 1 : 0);
    if (done >= total) out.push_back(result.token(0));
  }
  return out;
}

std::string Text(const std::vector<int32_t>& tokens) {
  std::string text;
  for (const int32_t token : tokens) text += std::to_string(token) + " ";
  return text;
}

// The whole prompt is so long that each of the two threads computes a share of its tokens.
void SameForAllChunks(const TestModel& model, const Settings& settings) {
  const EnginePointer engine = OpenEngine(model, settings);
  const std::vector<int32_t> prompt = Tokens(90, 3);
  const std::vector<int32_t> expected = Generate(engine.get(), prompt, 90, 0);
  for (const int32_t chunk : {1, 2, 7, 16, 17, 40, 70}) {
    const std::vector<int32_t> got = Generate(engine.get(), prompt, chunk, chunk);
    if (got != expected)
      Fail(__FILE__, __LINE__,
           "chunk " + std::to_string(chunk) + ": " + Text(got) + "expected " + Text(expected));
  }
}

void Refuses(Engine* engine, const Plan& plan, StepStatus status, int32_t bad_row) {
  const Result result = RunStep(engine, plan);
  CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(status));
  CHECK_EQ(result.view.header[kResultBadRow], bad_row);
  CHECK_EQ(result.view.header[kResultTokens], 0);
}

void RefusedPlans(Engine* engine) {
  const auto base = [] {
    Plan plan;
    plan.Reset(1).Page(1, 0, 3, 0);
    return plan;
  };
  const std::vector<int32_t> five = {1, 2, 3, 4, 5};
  const auto with = [&](auto edit) {
    Plan plan = Plan();
    edit(plan);
    return plan;
  };
  Refuses(engine, with([](Plan& p) { p.Header(kPlanVersion) = kStepLayoutVersion + 1; }),
          kStepBadVersion, kNone);
  Refuses(engine, with([](Plan& p) { p.Header(kPlanRows) = 5; }), kStepBadCount, kNone);
  Refuses(engine, with([](Plan& p) { p.Header(kPlanTokens) = -1; }), kStepBadCount, kNone);
  Refuses(engine, with([](Plan& p) { p.Header(kPlanPageUpdates) = 33; }), kStepBadCount, kNone);
  Refuses(engine, with([](Plan& p) { p.Reset(0).Reset(4); }), kStepBadSlot, 1);
  Refuses(engine, with([](Plan& p) { p.Page(-1, 0, 0, 0); }), kStepBadSlot, 0);
  Refuses(engine, with([](Plan& p) { p.Page(1, 0, kPages, 0); }), kStepBadPage, 0);
  Refuses(engine, with([](Plan& p) { p.Page(1, 1, 0, 0); }), kStepBadPage, 0);
  Refuses(engine, with([](Plan& p) { p.Page(1, 0, 0, 128); }), kStepBadPage, 0);
  Refuses(engine, with([](Plan& p) { p.Page(1, 0, 0, 0, 17); }), kStepBadPage, 0);
  Refuses(engine, with([](Plan& p) { p.Page(1, 0, 0, 120, 9); }), kStepBadPage, 0);
  Refuses(engine, with([](Plan& p) { p.Sampling(1, std::nanf("")); }), kStepBadSampling, 0);
  Refuses(engine, with([](Plan& p) { p.Sampling(1, -1.0F); }), kStepBadSampling, 0);
  Refuses(engine, with([](Plan& p) { p.Sampling(1, 1.0F, 0.0F); }), kStepBadSampling, 0);
  Refuses(engine, with([](Plan& p) { p.Sampling(1, 1.0F, 1.5F); }), kStepBadSampling, 0);
  Refuses(engine, with([](Plan& p) { p.Sampling(1, 1.0F, 1.0F, -1); }), kStepBadSampling, 0);
  Refuses(engine, base().Row(9, 0, five), kStepBadSlot, 0);
  Refuses(engine, base().Row(1, 0, five).Row(1, 5, five), kStepBadRow, 1);
  Refuses(engine, base().Row(1, 0, {1, TestModel::kVocab}), kStepBadToken, 0);
  Refuses(engine, base().Row(1, 0, {1, -1}), kStepBadToken, 0);
  Refuses(engine, base().Row(1, -2, five), kStepBadRow, 0);
  Refuses(engine, base().Row(1, 124, five), kStepBadRow, 0);
  Refuses(engine, base().Row(1, 0, five, 2), kStepBadRow, 0);
  Refuses(engine, base().Row(1, 0, {}), kStepBadRow, 0);  // no sample yet
  Refuses(engine, base().Row(1, 12, five), kStepUnmapped, 0);
  Refuses(engine, base().Row(1, 1, five), kStepUnmapped, 0);  // would leave a hole at position 0
  Refuses(engine, base().Row(2, 0, five), kStepUnmapped, 0);
  Refuses(engine, base().Page(1, 1, 4, 0).Row(1, 0, five), kStepBadPage,
          0);  // two pages at one position
  Refuses(engine, base().Page(2, 0, 3, 0).Row(1, 0, five).Row(2, 0, five), kStepBadPage,
          1);  // one page, two writers
  const auto edited = [&](auto edit) {
    Plan plan = base();
    plan.Row(1, 0, five);
    edit(plan);
    return plan;
  };
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().row_adapter, 0) = 0; }), kStepBadAdapter,
          0);
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().row_mask_slot, 0) = 0; }), kStepBadRow, 0);
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().row_draft_len, 0) = 1; }), kStepBadRow, 0);
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().row_n_tokens, 0) = 0; }), kStepBadRow, 0);
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().row_n_tokens, 0) = 6; }), kStepBadRow, 0);
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().row_token_offset, 0) = 1; }), kStepBadRow,
          0);
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().row_token_offset, 0) = -2; }), kStepBadRow,
          0);
  Refuses(engine, edited([](Plan& p) { Plan::At(p.view().page_kv_group, 0) = 1; }), kStepBadPage,
          0);
}

// A refused plan in the middle of a generation changes nothing of it.
void RefusalLeavesNoTrace(const TestModel& model) {
  const std::vector<int32_t> prompt = Tokens(20, 5);
  const auto run = [&](bool disturbed) {
    const EnginePointer engine = OpenEngine(model);
    Plan first;
    first.Reset(0)
        .Page(0, 0, 9, 0)
        .Page(0, 1, 2, 16)
        .Sampling(0, 0.7F, 0.9F, 20, 11)
        .Row(0, 0, prompt);
    std::vector<int32_t> out = {RunStep(engine.get(), first).token(0)};
    for (int32_t i = 0; i < 8; ++i) {
      if (disturbed) {
        Plan bad;
        bad.Reset(0)
            .Page(0, 0, 30, 0)
            .Page(0, 1, 31, 16)
            .Sampling(0, 5.0F, 1.0F, 0, 3)
            .Row(0, 0, {1})
            .Row(9, 0, {1});
        Refuses(engine.get(), bad, kStepBadSlot, 1);
        RefusedPlans(engine.get());
      }
      Plan next;
      next.Row(0, kFromDevice, {});
      const Result result = RunStep(engine.get(), next);
      CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(kStepOk));
      out.push_back(result.token(0));
    }
    return out;
  };
  const std::vector<int32_t> expected = run(false);
  const std::vector<int32_t> got = run(true);
  if (got != expected) Fail(__FILE__, __LINE__, Text(got) + "expected " + Text(expected));
}

// Chunk results in one batch equal each row alone, sampled with the row's own seed.
void BatchEqualsAlone(const TestModel& model, const Settings& settings) {
  const auto run = [&](const std::vector<int32_t>& slots) {
    const EnginePointer engine = OpenEngine(model, settings);
    std::map<int32_t, std::vector<int32_t>> out;
    for (int32_t step = 0; step < 6; ++step) {
      Plan plan;
      for (const int32_t slot : slots) {
        if (step == 0) {
          const int32_t page = slot * 3;
          plan.Reset(slot).Page(slot, 0, page, 0).Page(slot, 1, page + 1, 16);
          plan.Sampling(slot, slot == 2 ? 0.0F : 1.0F, 0.95F, 40, slot);
        }
        plan.Row(slot, step == 0 ? 0 : kFromDevice,
                 step == 0 ? Tokens(3 + slot * 5, slot) : std::vector<int32_t>());
      }
      const Result result = RunStep(engine.get(), plan);
      CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(kStepOk));
      for (size_t i = 0; i < slots.size(); ++i)
        out[slots[i]].push_back(result.token(static_cast<int32_t>(i)));
    }
    return out;
  };
  const auto together = run({2, 0, 3, 1});
  for (const int32_t slot : {0, 1, 2, 3}) {
    const std::vector<int32_t> alone = run({slot})[slot];
    if (together.at(slot) != alone)
      Fail(__FILE__, __LINE__,
           "slot " + std::to_string(slot) + ": " + Text(together.at(slot)) + "expected " +
               Text(alone));
  }
}

// Rows that begin with the same pages, in one batch with another row between them: each gets what
// it gets alone.
void SharedBeginning(const TestModel& model, const Settings& settings) {
  constexpr int32_t kSharedPages = 5;
  const auto run = [&](const std::vector<int32_t>& slots) {
    const EnginePointer engine = OpenEngine(model, settings);
    Plan prompt;
    prompt.Reset(0).Sampling(0, 0.0F);
    for (int32_t page = 0; page < kSharedPages; ++page) prompt.Page(0, page, page, page * 16);
    prompt.Row(0, 0, Tokens(kSharedPages * 16, 5), 0);
    RunStep(engine.get(), prompt);
    std::map<int32_t, std::vector<int32_t>> out;
    for (int32_t step = 0; step < 8; ++step) {
      Plan plan;
      for (const int32_t slot : slots) {
        const bool shares = slot != 1;  // slot 1 has a short text of its own
        if (step == 0 && slot > 0) plan.Reset(slot).Sampling(slot, 0.0F);
        for (int32_t page = 0; step == 0 && shares && slot > 0 && page < kSharedPages; ++page)
          plan.Page(slot, page, page, page * 16, 16);
        const int32_t entry = shares ? kSharedPages : 0;
        if (step == 0) plan.Page(slot, entry, kSharedPages + slot, entry * 16);
        plan.Row(slot, entry * 16 + step, step == 0 ? Tokens(1, slot) : std::vector<int32_t>());
      }
      const Result result = RunStep(engine.get(), plan);
      CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(kStepOk));
      for (size_t i = 0; i < slots.size(); ++i) {
        const auto row = static_cast<int32_t>(i);
        out[slots[i]].push_back(result.token(row));
        const float logprob = result.view.result_logprob[result.view.result_offset[row]];
        out[slots[i]].push_back(std::bit_cast<int32_t>(logprob));
      }
    }
    return out;
  };
  const auto together = run({3, 1, 0, 2});
  for (const int32_t slot : {0, 1, 2, 3}) CHECK(together.at(slot) == run({slot})[slot]);
}

// Gaps and part-filled pages: keys count by position, so where the pages begin does not matter.
void GapsAndParts(const TestModel& model) {
  const std::vector<int32_t> prompt = Tokens(24, 8);
  const auto run = [&](bool parts) {
    const EnginePointer engine = OpenEngine(model);
    Plan plan;
    plan.Reset(0).Row(0, 40, prompt);
    if (parts) {
      plan.Page(0, 0, 5, 40).Page(0, 1, 6, 46).Page(0, 2, 7, 61);
    } else {
      plan.Page(0, 0, 1, 40).Page(0, 1, 2, 56);
    }
    const Result result = RunStep(engine.get(), plan);
    CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(kStepOk));
    return std::make_pair(result.token(0), result.view.result_logprob[0]);
  };
  const auto whole = run(false);
  const auto parts = run(true);
  CHECK_EQ(parts.first, whole.first);
  CHECK(parts.second == whole.second);
}

void KeptLogits(const TestModel& model) {
  const EnginePointer engine = OpenEngine(model, {"generic", "f32", true});
  const float* logits = nullptr;
  int32_t tokens = -1;
  CHECK_EQ(static_cast<int>(fairlane_engine_logits(engine.get(), &logits, &tokens)),
           static_cast<int>(kEngineOk));
  CHECK_EQ(tokens, 0);
  Plan plan;
  plan.Page(0, 0, 0, 0).Page(1, 0, 1, 0).Row(0, 0, {1, 2, 3}, 0).Row(1, 0, {4, 5});
  const Result result = RunStep(engine.get(), plan);
  CHECK_EQ(static_cast<int>(fairlane_engine_logits(engine.get(), &logits, &tokens)),
           static_cast<int>(kEngineOk));
  CHECK_EQ(tokens, 5);
  int32_t best = 0;
  const float* last = logits + int64_t{4} * TestModel::kVocab;
  for (int32_t i = 1; i < TestModel::kVocab; ++i) best = last[i] > last[best] ? i : best;
  CHECK_EQ(result.token(1), best);
}

// The same weights, stored with q and k as rotary pairs.
void InterleavedEqualsHalfSplit() {
  const std::vector<int32_t> prompt = Tokens(30, 1);
  const TestModel split;
  const TestModel pairs({.is_interleaved = true});
  const std::vector<int32_t> expected =
      Generate(OpenEngine(split, {"generic", "f32"}).get(), prompt, 30, 0);
  const std::vector<int32_t> got =
      Generate(OpenEngine(pairs, {"generic", "f32"}).get(), prompt, 30, 0);
  if (got != expected) Fail(__FILE__, __LINE__, Text(got) + "expected " + Text(expected));
}

void QueueTest(const TestModel& model) {
  const EnginePointer engine = OpenEngine(model);
  Result result;
  CHECK_EQ(static_cast<int>(fairlane_engine_wait(engine.get(), 0, result.buffer.data())),
           static_cast<int>(kEngineIdle));
  Plan plan;
  CHECK_EQ(static_cast<int>(fairlane_engine_submit(engine.get(), plan.data())),
           static_cast<int>(kEngineOk));
  CHECK_EQ(static_cast<int>(fairlane_engine_submit(engine.get(), plan.data())),
           static_cast<int>(kEngineOk));
  CHECK_EQ(static_cast<int>(fairlane_engine_submit(engine.get(), plan.data())),
           static_cast<int>(kEngineFull));
  CHECK_EQ(fairlane_engine_in_flight(engine.get()), 2);
  CHECK_EQ(static_cast<int>(fairlane_engine_wait(engine.get(), -1, result.buffer.data())),
           static_cast<int>(kEngineOk));
  CHECK_EQ(fairlane_engine_in_flight(engine.get()), 1);
  CHECK_EQ(static_cast<int>(fairlane_engine_submit(engine.get(), plan.data())),
           static_cast<int>(kEngineOk));
  // Closing runs what is queued.
}

void RefusesToOpen(const EngineOptions& options, const std::string& expected) {
  char error[512] = "";
  const EnginePointer engine(fairlane_engine_open(&options, error, sizeof(error)));
  CHECK(engine == nullptr);
  if (std::string(error).find(expected) == std::string::npos) {
    Fail(__FILE__, __LINE__,
         "error is \"" + std::string(error) + "\", expected \"" + expected + "\"");
  }
}

void OpenErrors(const TestModel& model) {
  const std::string path = model.manifest_path();
  EngineOptions options = OptionsFor(path, {});
  options.page_count = 0;
  RefusesToOpen(options, "pageCount is 0, outside 1 .. 16777216");
  options = OptionsFor(path, {});
  options.capacity.rows = -1;
  RefusesToOpen(options, "capacity.rows is -1, outside 1 .. 1048576");
  RefusesToOpen(OptionsFor(path, {"sse9", "int8"}), "there is no ISA plug-in \"sse9\"");
  RefusesToOpen(OptionsFor(path, {"generic", "int4"}),
                "numerics must be int8 or f32, not \"int4\"");
  RefusesToOpen(OptionsFor("/nonexistent", {}), "cannot read the manifest /nonexistent");
  options = OptionsFor(path, {});
  options.plugin_folder = "/nonexistent";
  RefusesToOpen(options, "cannot load the plug-in /nonexistent/cpu_generic.so");
  const TestModel broken({.has_nan = true});
  const std::string broken_path = broken.manifest_path();
  RefusesToOpen(OptionsFor(broken_path, {}),
                "tensor layers.1.up holds a value that is not finite: the model file is corrupt");
  RefusesToOpen(OptionsFor(broken_path, {"generic", "f32"}),
                "tensor layers.1.up holds a value that is not finite");
}

}  // namespace
}  // namespace fairlane::test

int main() {
  using namespace fairlane;
  using namespace fairlane::test;
  const TestModel model;
  ForEachPlugin([&](const Backend& backend) {
    const Settings settings = {backend.name, "int8"};
    for (const char* type : {"f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}) {
      SameForAllChunks(TestModel({.matrix_type = type, .is_tied = false}), settings);
    }
    BatchEqualsAlone(model, settings);
    const Settings int8_kv = {.isa = backend.name, .kv_type = "int8"};
    SameForAllChunks(model, int8_kv);
    BatchEqualsAlone(model, int8_kv);
    SameForAllChunks(model, {backend.name, "f32"});
    BatchEqualsAlone(model, {backend.name, "f32"});
    SharedBeginning(model, {backend.name, "f32"});
    SharedBeginning(model, settings);
    SharedBeginning(model, int8_kv);
    for (const char* arch : {"qwen2", "qwen3"}) {
      SameForAllChunks(TestModel({.arch = arch}), settings);
      BatchEqualsAlone(TestModel({.arch = arch}), settings);
    }
    std::printf("chunks and batches on %s\n", backend.name);
  });
  RefusalLeavesNoTrace(model);
  GapsAndParts(model);
  KeptLogits(model);
  InterleavedEqualsHalfSplit();
  QueueTest(model);
  OpenErrors(model);
  return Report("engine_test");
}
