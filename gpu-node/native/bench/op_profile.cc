// See op_profile.h.
#include "bench/op_profile.h"

#include <atomic>
#include <chrono>
#include <unordered_map>

namespace fairlane::bench {
namespace {

constexpr int32_t kUnnamed = -1;

struct Profile {
  const Backend* real = nullptr;
  Backend timed = {};
  std::unordered_map<const void*, Op> matrices;
  const float* head_norm = nullptr;
  std::atomic<int32_t> run_op{kUnnamed};
  OpSeconds seconds = {};
};

Profile& TheProfile() {
  static Profile profile;
  return profile;
}

// The first op of a run names it.
void Name(Op op) {
  std::atomic<int32_t>& run_op = TheProfile().run_op;
  if (run_op.load(std::memory_order_relaxed) == kUnnamed)
    run_op.store(op, std::memory_order_relaxed);
}

void TimedRun(Pool* pool, int32_t items, ParallelItemFn run, void* context) {
  Profile& profile = TheProfile();
  profile.run_op.store(kUnnamed, std::memory_order_relaxed);
  const auto start = std::chrono::steady_clock::now();
  profile.real->run_parallel(pool, items, run, context);
  const auto wall = std::chrono::steady_clock::now() - start;
  const int32_t op = profile.run_op.load(std::memory_order_relaxed);
  profile.seconds[static_cast<size_t>(op == kUnnamed ? kOpOther : op)] +=
      std::chrono::duration<double>(wall).count();
}

void NamedGemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
               int32_t panel_begin, int32_t panel_end) {
  Profile& profile = TheProfile();
  if (profile.run_op.load(std::memory_order_relaxed) == kUnnamed) {
    const auto found = profile.matrices.find(weights->data);
    Name(found == profile.matrices.end() ? kOpOther : found->second);
  }
  profile.real->gemm(weights, input, output, panel_begin, panel_end);
}

void NamedNorm(const NormQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const Profile& profile = TheProfile();
  Name(args->weight == profile.head_norm ? kOpHeadNorm : kOpNorm);
  profile.real->norm_quantize(args, token_begin, token_end);
}

void NamedRope(const RopeArgs* args, int32_t token_begin, int32_t token_end) {
  Name(kOpPlace);
  TheProfile().real->rope(args, token_begin, token_end);
}

void NamedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  Name(kOpAttention);
  TheProfile().real->paged_attention(args, item_begin, item_end);
}

void NamedAttentionBf16(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  Name(kOpAttention);
  TheProfile().real->paged_attention_bf16(args, item_begin, item_end);
}

void NamedSample(SampleTokenArgs* args) {
  Name(kOpSample);
  TheProfile().real->sample_token(args);
}

void NameMatrix(const Linear& linear, Op op) {
  for (const GemmWeights& part : linear.parts) TheProfile().matrices[part.data] = op;
}

}  // namespace

const Backend* TimedBackend(const Backend& real) {
  Profile& profile = TheProfile();
  profile.real = &real;
  profile.timed = real;
  profile.timed.run_parallel = TimedRun;
  profile.timed.gemm = NamedGemm;
  profile.timed.norm_quantize = NamedNorm;
  profile.timed.rope = NamedRope;
  profile.timed.paged_attention = NamedAttention;
  if (real.paged_attention_bf16 != nullptr) profile.timed.paged_attention_bf16 = NamedAttentionBf16;
  profile.timed.sample_token = NamedSample;
  return &profile.timed;
}

void NameWeights(const Model& model) {
  for (const LayerWeights& layer : model.layers()) {
    NameMatrix(layer.qkv, kOpQkv);
    NameMatrix(layer.o, kOpO);
    NameMatrix(layer.gate_up, kOpGateUp);
    NameMatrix(layer.down, kOpDown);
  }
  NameMatrix(model.output(), kOpHead);
  TheProfile().head_norm = model.output_norm().data();
  TakeSeconds();
}

OpSeconds TakeSeconds() {
  const OpSeconds taken = TheProfile().seconds;
  TheProfile().seconds = {};
  return taken;
}

}  // namespace fairlane::bench
