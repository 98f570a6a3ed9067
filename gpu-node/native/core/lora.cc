// See lora.h.
#include "core/lora.h"

#include <algorithm>

#include "core/adapter_slots.h"
#include "core/limits.h"

namespace fairlane {
namespace {

constexpr int32_t kPartsMax = 3;  // q, k and v
constexpr int64_t kLowStride = int64_t{kPartsMax} * kLoraRankMax;

const AdapterModule* ModuleOf(const LoraSegment& segment, const LoraTargets& targets,
                              int32_t part) {
  return segment.adapter->Find(targets.layer, static_cast<LoraModule>(targets.first + part));
}

}  // namespace

bool Lora::Open(const Backend* backend, bool is_f32, int32_t tokens, std::string* error) {
  backend_ = backend;
  is_f32_ = is_f32;
  if (low_.Allocate(static_cast<size_t>(tokens) * kLowStride * sizeof(float))) return true;
  *error = "no memory for the low-rank products of a step of " + std::to_string(tokens) + " tokens";
  return false;
}

float* Lora::LowOf(int32_t token, int32_t part) const {
  return low_.As<float>() + token * kLowStride + int64_t{part} * kLoraRankMax;
}

bool Lora::Touches(const LoraTargets& targets) const {
  for (const LoraSegment& segment : batch_->segments) {
    for (int32_t part = 0; part < targets.count; ++part)
      if (ModuleOf(segment, targets, part) != nullptr) return true;
  }
  return false;
}

void Lora::Shrink(const LoraTargets& targets, const LoraInput& input, int32_t token_begin,
                  int32_t token_end) const {
  const DequantizeArgs floats = {input.groups, input.k, input.x, input.k};
  for (const LoraSegment& segment : batch_->segments) {
    const int32_t begin = std::max(token_begin, segment.token_begin);
    const int32_t end = std::min(token_end, segment.token_end);
    if (begin >= end) continue;
    bool has_floats = is_f32_;
    for (int32_t part = 0; part < targets.count; ++part) {
      const AdapterModule* module = ModuleOf(segment, targets, part);
      if (module == nullptr) continue;
      if (!has_floats) backend_->dequantize_rows(&floats, begin, end);
      has_floats = true;
      const LoraShrinkArgs args = {module->a, module->scaling, input.x,
                                   input.k,   LowOf(0, part),  kLowStride};
      backend_->lora_shrink(&args, begin, end);
    }
  }
}

void Lora::Expand(const LoraTargets& targets, const LoraOutput& output,
                  const LoraPiece& piece) const {
  for (const LoraSegment& segment : batch_->segments) {
    LoraPiece own = piece;
    own.token_begin = std::max(piece.token_begin, segment.token_begin);
    own.token_end = std::min(piece.token_end, segment.token_end);
    if (own.token_begin >= own.token_end) continue;
    const AdapterModule* module = ModuleOf(segment, targets, output.part);
    if (module == nullptr) continue;
    const LoraExpandArgs args = {module->b, LowOf(0, output.part), kLowStride, output.y,
                                 output.stride};
    backend_->lora_expand(&args, &own);
  }
}

}  // namespace fairlane
