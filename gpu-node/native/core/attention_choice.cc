// See attention_choice.h.
#include "core/attention_choice.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "core/aligned_buffer.h"

namespace fairlane {
namespace {

constexpr int32_t kAnyModel = -1;

// Kinds of CPUs on which both were measured.
struct CpuKind {
  bool is_amd;  // Intel otherwise
  int32_t family;
  int32_t model;
  bool bf16_is_faster;
};
constexpr CpuKind kMeasuredKinds[] = {
    {true, 25, kAnyModel, true},  // Zen 4: vdpbf16ps at twice the rate of f32 (older ones lack it)
    {false, 6, 207, false},       // Emerald Rapids: at half of it
};

// What is timed: one chunk of 16 tokens and one decoding token of three query heads on a KV head,
// over a context that leaves the first-level cache.
constexpr int32_t kTimedKeys = 512;
constexpr int32_t kTimedTokens = 16;
constexpr int32_t kTimedHeads = 3;
constexpr int32_t kTimedHeadDim = 64;
constexpr int32_t kTimedRounds = 200;
// So much faster bf16 must be.
constexpr double kWorthwhile = 0.97;

class Sample {
 public:
  bool Open(const Backend& backend) {
    constexpr int32_t kBlocks = kTimedKeys / kPageTokens;
    const size_t page_bytes = backend.kv_page_bytes(&shape_);
    if (!pages_.Allocate(page_bytes * kBlocks)) return false;
    std::fill_n(pages_.As<uint8_t>(), page_bytes * kBlocks, uint8_t{0});
    for (int32_t b = 0; b < kBlocks; ++b) {
      blocks_.push_back({b * kPageTokens, b, 1});
      runs_.push_back(
          {pages_.As<uint8_t>() + static_cast<size_t>(b) * page_bytes, 0, 0, kPageTokens});
    }
    for (int32_t t = 0; t < kTimedTokens; ++t) positions_.push_back(kTimedKeys - kTimedTokens + t);
    q_.resize(static_cast<size_t>(kTimedTokens) * kTimedHeads * kTimedHeadDim, 0.25F);
    out_.resize(q_.size());
    row_ = {0, kTimedTokens, 0, kBlocks};
    return true;
  }

  double Seconds(PagedAttentionFn attention) {
    const AttentionItem items[2] = {{0, 0, 0, kTimedTokens}, {0, 0, kTimedTokens - 1, 1}};
    const AttentionArgs args = {shape_,
                                0,
                                0,
                                kTimedHeads,
                                q_.data(),
                                int64_t{kTimedHeads} * kTimedHeadDim,
                                out_.data(),
                                positions_.data(),
                                &row_,
                                blocks_.data(),
                                runs_.data(),
                                items};
    const auto start = std::chrono::steady_clock::now();
    attention(&args, 0, 2);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  KvShape shape_ = {kKvF16, 1, 1, kTimedHeadDim};
  AlignedBuffer pages_;
  std::vector<KvBlock> blocks_;
  std::vector<KvRun> runs_;
  std::vector<int32_t> positions_;
  std::vector<float> q_;
  std::vector<float> out_;
  AttentionRow row_ = {};
};

}  // namespace

bool CanAttendInBf16(const Backend& backend) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return backend.paged_attention_bf16 != nullptr && __builtin_cpu_supports("avx512bf16");
#else
  return backend.paged_attention_bf16 != nullptr;
#endif
}

bool ShipsBf16Attention(const Backend& backend) {
  if (!CanAttendInBf16(backend)) return false;
#if defined(__x86_64__)
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  const auto base_family = static_cast<int32_t>(eax >> 8 & 15U);
  const int32_t family =
      base_family == 15 ? base_family + static_cast<int32_t>(eax >> 20 & 255U) : base_family;
  const auto model = static_cast<int32_t>((eax >> 4 & 15U) | (eax >> 16 & 15U) << 4);
  const bool is_amd = __builtin_cpu_is("amd") != 0;
  for (const CpuKind& kind : kMeasuredKinds) {
    if (kind.is_amd == is_amd && kind.family == family &&
        (kind.model == kAnyModel || kind.model == model))
      return kind.bf16_is_faster;
  }
#endif
  return false;
}

bool MeasureBf16Attention(const Backend& backend) {
  Sample sample;
  if (!CanAttendInBf16(backend) || !sample.Open(backend)) return false;
  double f32 = 1e30;
  double bf16 = 1e30;
  // In turns, so that what disturbs one disturbs both; the best is what counts.
  for (int32_t round = 0; round < kTimedRounds; ++round) {
    f32 = std::min(f32, sample.Seconds(backend.paged_attention));
    bf16 = std::min(bf16, sample.Seconds(backend.paged_attention_bf16));
  }
  return bf16 < kWorthwhile * f32;
}

bool ChooseAttention(const Backend& backend, const std::string& wish, bool prefers_bf16,
                     bool* is_bf16, std::string* error) {
  if (wish != "auto" && wish != "f32" && wish != "bf16") {
    *error = "attention must be auto, f32 or bf16, not \"" + wish + "\"";
    return false;
  }
  if (wish == "bf16" && !CanAttendInBf16(backend)) {
    *error = "attention in bf16 needs a CPU with AVX512_BF16 and the ISA plug-in avx512vnni";
    return false;
  }
  *is_bf16 = wish == "bf16" || (wish == "auto" && prefers_bf16);
  return true;
}

}  // namespace fairlane
