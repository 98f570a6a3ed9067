// Times every op of a forward pass of a real model as the engine runs it, for `npm run bench --
// ops`: decodes of 1 .. 32 sequences after prompts of 128 tokens, and prompts of 128 and 512. One
// line of JSON: per op and number of rows the median of a step's wall time over all layers, and
// what the op computes and reads then.
// Usage: ops_bench MANIFEST PLUGIN_FOLDER ISA THREADS
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "bench/bench_session.h"
#include "bench/op_profile.h"
#include "core/attention_choice.h"
#include "core/check_llama.h"
#include "core/plugin.h"
#include "core/step.h"

namespace fairlane::bench {
namespace {

constexpr int32_t kSequences[] = {1, 2, 4, 8, 16, 32};
constexpr int32_t kMostSequences = 32;
constexpr int32_t kPromptTokens = 128;
constexpr int32_t kLongPromptTokens = 512;
constexpr int32_t kDecodeSteps = 15;
constexpr int32_t kLongPrompts = 7;

// Work of an op in one step, all layers together.
struct Work {
  double operations;  // a multiply-add being two; 0: not counted
  double bytes;       // weights, or K and V, that must be read; 0: not counted
};

class OpsBench {
 public:
  bool Open(char** argv, std::string* error);
  bool Run();
  void Print() const;

 private:
  // Whether a step decodes (else it is a prompt), and its rows or tokens.
  using Load = std::pair<bool, int32_t>;

  bool RunStep(const uint8_t* plan, uint8_t* result);
  Work WorkOf(Op op, const Load& load) const;
  void AddMatrix(Op op, const Linear& linear);

  Plugin plugin_;
  Workers workers_;
  Model model_;
  StepRunner runner_;
  SessionShape shape_ = {};
  std::string attention_;
  Work per_row_[kOpCount] = {};  // of a matrix: operations for one row, bytes for any number
  std::map<std::tuple<bool, int32_t, int32_t>, std::vector<double>> seconds_;
};

bool OpsBench::Open(char** argv, std::string* error) {
  Manifest manifest;
  if (!ReadManifest(argv[1], &manifest, error) || !CheckLlama(manifest, error) ||
      !plugin_.Open(argv[2], argv[3], error)) {
    return false;
  }
  const bool is_bf16 = ShipsBf16Attention(plugin_.backend());
  const Backend* const backend = TimedBackend(plugin_.backend());
  if (!workers_.Open(backend, std::atoi(argv[4]))) {
    *error = "no threads";
    return false;
  }
  shape_ = ShapeFor(kMostSequences, kLongPromptTokens, manifest.params.vocab);
  model_.UseTiles(DefaultTiles(*backend));
  if (!model_.Load(manifest, *backend, workers_, false, error)) return false;
  const StepRunnerOptions options = {.model = &model_,
                                     .backend = backend,
                                     .workers = &workers_,
                                     .page_count = shape_.page_count,
                                     .slot_count = kMostSequences,
                                     .capacity = shape_.capacity,
                                     .keep_logits = false,
                                     .has_bf16_attention = is_bf16,
                                     .kv_type = kKvF16,
                                     .adapter_slots = 0,
                                     .adapter_type = kTileF16};
  if (!runner_.Open(options, error)) return false;
  attention_ = is_bf16 ? "bf16" : "f32";
  NameWeights(model_);
  for (const LayerWeights& layer : model_.layers()) {
    AddMatrix(kOpQkv, layer.qkv);
    AddMatrix(kOpO, layer.o);
    AddMatrix(kOpGateUp, layer.gate_up);
    AddMatrix(kOpDown, layer.down);
  }
  AddMatrix(kOpHead, model_.output());
  return true;
}

void OpsBench::AddMatrix(Op op, const Linear& linear) {
  for (const GemmWeights& part : linear.parts) {
    per_row_[op].operations += 2.0 * part.rows * part.k;
    per_row_[op].bytes +=
        static_cast<double>(plugin_.backend().packed_bytes(part.format, part.rows, part.k));
  }
}

Work OpsBench::WorkOf(Op op, const Load& load) const {
  const auto [decodes, rows] = load;
  if (op <= kOpHead) {
    // Of a prompt only the last token's logits are computed.
    const int32_t gemm_rows = op == kOpHead && !decodes ? 1 : rows;
    return {per_row_[op].operations * gemm_rows, per_row_[op].bytes};
  }
  if (op == kOpAttention && decodes) {
    // The median step is the middle one.
    const double positions = kPromptTokens + (kDecodeSteps + 1) / 2;
    const double position_bytes = static_cast<double>(runner_.page_bytes()) / kPageTokens;
    return {0, positions * position_bytes * rows};
  }
  return {0, 0};
}

bool OpsBench::RunStep(const uint8_t* plan_buffer, uint8_t* result) {
  const PlanView plan = ViewPlan(shape_.capacity, plan_buffer);
  TakeSeconds();
  runner_.Run(plan_buffer, result);
  const OpSeconds seconds = TakeSeconds();
  const int32_t tokens = plan.header[kPlanTokens];
  const bool decodes = tokens == 0;
  const int32_t rows = decodes ? plan.header[kPlanRows] : tokens;
  for (int32_t op = 0; op < kOpCount; ++op)
    seconds_[{decodes, rows, op}].push_back(seconds[static_cast<size_t>(op)]);
  return true;
}

bool OpsBench::Run() {
  Session session(shape_,
                  [this](const uint8_t* plan, uint8_t* result) { return RunStep(plan, result); });
  bool ok = true;
  for (const int32_t sequences : kSequences)
    ok = ok && session.Decode(sequences, kPromptTokens, kDecodeSteps).ok;
  for (int32_t i = 0; i < kLongPrompts; ++i) ok = ok && session.Prefill(kLongPromptTokens).ok;
  return ok;
}

void OpsBench::Print() const {
  std::printf("{\"isa\": \"%s\", \"attention\": \"%s\", \"ops\": [", plugin_.backend().name,
              attention_.c_str());
  const char* separator = "";
  for (const auto& [key, all] : seconds_) {
    const auto& [decodes, rows, op] = key;
    std::vector<double> sorted = all;
    std::sort(sorted.begin(), sorted.end());
    const double median = sorted[sorted.size() / 2];
    const Work work = WorkOf(static_cast<Op>(op), {decodes, rows});
    std::printf(
        "%s{\"op\": \"%s\", \"load\": \"%s\", \"rows\": %d, \"us\": %.2f, \"operations\": %.0f, "
        "\"bytes\": %.0f}",
        separator, kOpNames[static_cast<size_t>(op)], decodes ? "decode" : "prefill", rows,
        median * 1e6, work.operations, work.bytes);
    separator = ", ";
  }
  std::printf("]}\n");
}

int Main(char** argv) {
  std::string error = "a step failed";
  OpsBench bench;
  if (bench.Open(argv, &error) && bench.Run()) {
    bench.Print();
    return 0;
  }
  std::fprintf(stderr, "ops_bench: %s\n", error.c_str());
  return 1;
}

}  // namespace
}  // namespace fairlane::bench

int main(int argc, char** argv) {
  if (argc == 5) return fairlane::bench::Main(argv);
  std::fprintf(stderr, "usage: ops_bench MANIFEST PLUGIN_FOLDER ISA THREADS\n");
  return 2;
}
