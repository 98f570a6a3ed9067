// See op_profile.h.
#include "bench/op_profile.h"

#include <atomic>
#include <chrono>
#include <unordered_map>

namespace fairlane::bench {
namespace {

struct Profile {
  const Backend* real = nullptr;
  Backend timed = {};
  std::unordered_map<const void*, Op> matrices;
  const float* head_norm = nullptr;
  std::array<std::atomic<int64_t>, kOpCount> run_nanoseconds = {};  // of all threads
  OpSeconds seconds = {};
};

Profile& TheProfile() {
  static Profile profile;
  return profile;
}

// Times one call of an op.
class Call {
 public:
  explicit Call(Op op) : op_(op) {}
  ~Call() {
    const auto spent = std::chrono::steady_clock::now() - start_;
    TheProfile().run_nanoseconds[op_].fetch_add(
        std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count(),
        std::memory_order_relaxed);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  Op op_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void TimedRun(Pool* pool, int32_t items, ParallelItemFn run, void* context) {
  Profile& profile = TheProfile();
  const auto start = std::chrono::steady_clock::now();
  profile.real->run_parallel(pool, items, run, context);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  OpSeconds spent = {};
  double all = 0;
  for (size_t op = 0; op < kOpCount; ++op) {
    spent[op] = static_cast<double>(profile.run_nanoseconds[op].exchange(0));
    all += spent[op];
  }
  if (all == 0) spent[kOpOther] = all = 1;
  for (size_t op = 0; op < kOpCount; ++op) profile.seconds[op] += wall.count() * spent[op] / all;
}

void TimedGemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
               int32_t panel_begin, int32_t panel_end) {
  const Profile& profile = TheProfile();
  const auto found = profile.matrices.find(weights->data);
  const Call call(found == profile.matrices.end() ? kOpOther : found->second);
  profile.real->gemm(weights, input, output, panel_begin, panel_end);
}

void TimedNorm(const NormQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const Profile& profile = TheProfile();
  const Call call(args->weight == profile.head_norm ? kOpHeadNorm : kOpNorm);
  profile.real->norm_quantize(args, token_begin, token_end);
}

void TimedQuantize(const QuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const Call call(kOpQuantize);
  TheProfile().real->quantize_rows(args, token_begin, token_end);
}

void TimedGated(const SiluQuantizeArgs* args, int32_t token_begin, int32_t token_end) {
  const Call call(kOpGated);
  TheProfile().real->silu_quantize(args, token_begin, token_end);
}

void TimedRope(const RopeArgs* args, int32_t token_begin, int32_t token_end) {
  const Call call(kOpPlace);
  TheProfile().real->rope(args, token_begin, token_end);
}

void TimedAppend(const AppendKvArgs* args, int32_t token_begin, int32_t token_end) {
  const Call call(kOpPlace);
  TheProfile().real->append_kv(args, token_begin, token_end);
}

void TimedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  const Call call(kOpAttention);
  TheProfile().real->paged_attention(args, item_begin, item_end);
}

void TimedAttentionBf16(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  const Call call(kOpAttention);
  TheProfile().real->paged_attention_bf16(args, item_begin, item_end);
}

void TimedSample(SampleTokenArgs* args) {
  const Call call(kOpSample);
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
  profile.timed.gemm = TimedGemm;
  profile.timed.norm_quantize = TimedNorm;
  profile.timed.quantize_rows = TimedQuantize;
  profile.timed.silu_quantize = TimedGated;
  profile.timed.rope = TimedRope;
  profile.timed.append_kv = TimedAppend;
  profile.timed.paged_attention = TimedAttention;
  if (real.paged_attention_bf16 != nullptr) profile.timed.paged_attention_bf16 = TimedAttentionBf16;
  profile.timed.sample_token = TimedSample;
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
