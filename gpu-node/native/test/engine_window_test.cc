// Engines of models whose layers see a window of positions: two KV groups with tables and pages of
// their own, results that do not depend on chunks, pages that may be given away once the window has
// left them, and a window as wide as the context computing what no window does.
#include <memory>

#include "core/engine.h"
#include "test/check.h"
#include "test/plan_builder.h"
#include "test/test_model.h"

namespace fairlane::test {
namespace {

constexpr int32_t kPrompt = 53;
constexpr int32_t kOutputs = 20;

struct EngineCloser {
  void operator()(Engine* engine) const { fairlane_engine_close(engine); }
};
using EnginePointer = std::unique_ptr<Engine, EngineCloser>;

EnginePointer OpenEngine(const TestModel& model, const char* isa) {
  const std::string path = model.manifest_path();
  EngineOptions options = {};
  options.manifest_path = path.c_str();
  options.plugin_folder = FAIRLANE_PLUGIN_FOLDER;
  options.isa = isa;
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
    std::exit(Report("engine_window_test"));
  }
  return engine;
}

Result RunStep(Engine* engine, const Plan& plan) {
  Result result;
  CHECK_EQ(static_cast<int>(fairlane_engine_submit(engine, plan.data())),
           static_cast<int>(kEngineOk));
  CHECK_EQ(static_cast<int>(fairlane_engine_wait(engine, 60000, result.buffer.data())),
           static_cast<int>(kEngineOk));
  return result;
}

// Computes a prompt in chunks on slot 0, then greedy tokens. The groups' pages lie side by side;
// with a window, a page that no later query sees is filled by slot 1 from then on.
std::vector<int32_t> Generate(Engine* engine, int32_t groups, int32_t chunk, int32_t window) {
  Random random(3);
  std::vector<int32_t> prompt(kPrompt);
  for (int32_t& token : prompt) token = random.Below(TestModel::kVocab);
  std::vector<int32_t> out;
  for (int32_t done = 0; done < kPrompt + kOutputs;) {
    Plan plan;
    const int32_t count = done < kPrompt ? std::min(chunk, kPrompt - done) : 1;
    if (done == 0) plan.Reset(0).Sampling(0, 0.0F);
    for (int32_t position = done; position < done + count; ++position) {
      const int32_t entry = position / 16;
      for (int32_t group = 0; group < groups && position % 16 == 0; ++group)
        plan.Page(0, entry, 2 * entry + group, position, 0, group);
    }
    // The windowed group is the last one.
    const int32_t passed = window > 0 ? std::max(done - window + 1, 0) / 16 : 0;
    if (passed > 0) {
      plan.Reset(1).Sampling(1, 0.0F);
      for (int32_t group = 0; group < groups; ++group) {
        const int32_t page = group == groups - 1 ? 2 * (passed - 1) + group : kPages - 1;
        plan.Page(1, 0, page, 0, 0, group);
      }
      plan.Row(1, 0, std::vector<int32_t>(16, 5), 0);
    }
    const bool is_prompt = done < kPrompt;
    plan.Row(0, is_prompt ? done : kFromDevice,
             is_prompt ? std::vector<int32_t>(prompt.begin() + done, prompt.begin() + done + count)
                       : std::vector<int32_t>(),
             done + count >= kPrompt ? 1 : 0);
    done += count;
    const Result result = RunStep(engine, plan);
    CHECK_EQ(result.view.header[kResultStatus], static_cast<int32_t>(kStepOk));
    if (done >= kPrompt) out.push_back(result.token(passed > 0 ? 1 : 0));
  }
  return out;
}

void GroupsAreListed(const Backend& backend) {
  const TestModel model({.window = 20, .window_first_layer = 1});
  const EngineInfo info = fairlane_engine_info(OpenEngine(model, backend.name).get());
  CHECK_EQ(info.kv_group_count, 2);
  CHECK_EQ(info.kv_groups[0].window_tokens, 0);
  CHECK_EQ(info.kv_groups[1].window_tokens, 20);
  CHECK_EQ(info.kv_groups[0].layers, 1);
  CHECK_EQ(info.kv_groups[1].layers, 1);
  CHECK(info.kv_groups[0].page_bytes > 0 && info.kv_groups[0].page_bytes <= info.page_bytes);
}

void SameForAllChunks(const Backend& backend) {
  for (const int32_t first_layer : {0, 1}) {
    const TestModel model({.window = 20, .window_first_layer = first_layer});
    const int32_t groups = first_layer == 0 ? 1 : 2;
    const std::vector<int32_t> expected =
        Generate(OpenEngine(model, backend.name).get(), groups, kPrompt, 20);
    for (const int32_t chunk : {1, 7, 16, 40}) {
      CHECK(Generate(OpenEngine(model, backend.name).get(), groups, chunk, 20) == expected);
      CHECK(Generate(OpenEngine(model, backend.name).get(), groups, chunk, 0) == expected);
    }
  }
}

void WideWindowIsNone(const Backend& backend) {
  const TestModel plain;
  const TestModel wide({.window = TestModel::kContext, .window_first_layer = 1});
  const TestModel narrow({.window = 8, .window_first_layer = 1});
  const auto expected = Generate(OpenEngine(plain, backend.name).get(), 1, kPrompt, 0);
  CHECK(Generate(OpenEngine(wide, backend.name).get(), 2, kPrompt, 0) == expected);
  CHECK(Generate(OpenEngine(narrow, backend.name).get(), 2, kPrompt, 0) != expected);
}

void RefusedPlans(const Backend& backend) {
  const TestModel model({.window = 20, .window_first_layer = 1});
  const EnginePointer engine = OpenEngine(model, backend.name);
  const auto status = [&](const Plan& plan) {
    return RunStep(engine.get(), plan).view.header[kResultStatus];
  };
  const std::vector<int32_t> tokens = {1, 2, 3};
  Plan no_group;
  no_group.Reset(0).Page(0, 0, 0, 0, 0, 2).Row(0, 0, tokens);
  CHECK_EQ(status(no_group), static_cast<int32_t>(kStepBadPage));
  Plan one_group;
  one_group.Reset(0).Page(0, 0, 0, 0).Row(0, 0, tokens);
  CHECK_EQ(status(one_group), static_cast<int32_t>(kStepUnmapped));
  Plan same_page;
  same_page.Reset(0).Page(0, 0, 4, 0).Page(0, 0, 4, 0, 0, 1).Row(0, 0, tokens);
  CHECK_EQ(status(same_page), static_cast<int32_t>(kStepBadPage));
  // Nothing of them was kept: entry 1 would follow an entry 0.
  Plan second_entry;
  second_entry.Page(0, 1, 4, 0).Row(0, 0, tokens);
  CHECK_EQ(status(second_entry), static_cast<int32_t>(kStepBadPage));
}

void RunAll(const Backend& backend) {
  GroupsAreListed(backend);
  SameForAllChunks(backend);
  WideWindowIsNone(backend);
  RefusedPlans(backend);
  std::printf("windows on %s\n", backend.name);
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin(fairlane::test::RunAll);
  return fairlane::test::Report("engine_window_test");
}
