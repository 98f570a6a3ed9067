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

// What is needed soon; what is beyond the most ranges is read when it is needed.
struct LoraAhead {
  static constexpr int32_t kRangesMax = 256;
  AheadRange ranges[kRangesMax];
  AheadRanges all = {ranges, 0};

  void Add(const uint8_t* data, size_t bytes) {
    if (all.count < kRangesMax) ranges[all.count++] = {data, static_cast<int64_t>(bytes)};
  }
};

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

void Lora::Multiply(const LoraStage& stage, const LoraProduct& product) const {
  const LoraPiece& piece = product.piece;
  const GemmOutput output = {product.y + piece.token_begin * product.stride, product.stride,
                             product.accumulate};
  if (batch_->segments.empty() || stage.own.count == 0) {
    backend_->gemm(product.weights, &product.input, &output, piece.panel_begin, piece.panel_end);
    return;
  }
  LoraAhead ahead;
  AheadOfExpand(stage.own, product, &ahead);
  AheadOfShrink(stage.next, product, &ahead);
  GemmInput input = product.input;
  input.ahead = &ahead.all;
  backend_->gemm(product.weights, &input, &output, piece.panel_begin, piece.panel_end);
  Expand(stage.own, product);
}

void Lora::Expand(const LoraTargets& targets, const LoraProduct& product) const {
  for (const LoraSegment& segment : batch_->segments) {
    LoraPiece own = product.piece;
    own.token_begin = std::max(own.token_begin, segment.token_begin);
    own.token_end = std::min(own.token_end, segment.token_end);
    if (own.token_begin >= own.token_end) continue;
    const AdapterModule* module = ModuleOf(segment, targets, product.part);
    if (module == nullptr) continue;
    const LoraExpandArgs args = {module->b, LowOf(0, product.part), kLowStride, product.y,
                                 product.stride};
    backend_->lora_expand(&args, &own);
  }
}

// What Expand of the piece will read.
void Lora::AheadOfExpand(const LoraTargets& targets, const LoraProduct& product,
                         LoraAhead* ahead) const {
  const LoraPiece& piece = product.piece;
  for (const LoraSegment& segment : batch_->segments) {
    if (segment.token_end <= piece.token_begin || segment.token_begin >= piece.token_end) continue;
    const AdapterModule* module = ModuleOf(segment, targets, product.part);
    if (module == nullptr) continue;
    const LoraMatrix& b = module->b;
    const int32_t blocks = FeatureBlocks(b);
    const int32_t block = piece.panel_begin * kTileChunk / b.block_features;
    const int32_t first = piece.panel_begin - block * b.block_features / kTileChunk;
    const size_t chunk_bytes = TileBytes(b.type, kTileChunk) - TileBytes(b.type, 0);
    for (int32_t rank_block = 0; rank_block < b.rank_blocks; ++rank_block) {
      ahead->Add(b.tiles[rank_block * blocks + block] + static_cast<size_t>(first) * chunk_bytes,
                 static_cast<size_t>(piece.panel_end - piece.panel_begin) * chunk_bytes);
    }
  }
}

// The product's share of what Shrink of its tokens will read.
void Lora::AheadOfShrink(const LoraTargets& targets, const LoraProduct& product,
                         LoraAhead* ahead) const {
  const auto segments = static_cast<int64_t>(batch_->segments.size());
  const int64_t end = segments * (product.index + 1) / product.count;
  for (int64_t i = segments * product.index / product.count; i < end; ++i) {
    const LoraSegment& segment = batch_->segments[static_cast<size_t>(i)];
    const LoraPiece& piece = product.piece;
    if (segment.token_end <= piece.token_begin || segment.token_begin >= piece.token_end) continue;
    for (int32_t part = 0; part < targets.count; ++part) {
      const AdapterModule* module = ModuleOf(segment, targets, part);
      if (module == nullptr) continue;
      const LoraMatrix& a = module->a;
      const int32_t blocks = FeatureBlocks(a);
      for (int32_t tile = 0; tile < a.rank_blocks * blocks; ++tile) {
        const int32_t features =
            std::min(a.block_features, a.features - tile % blocks * a.block_features);
        ahead->Add(a.tiles[tile], TileBytes(a.type, features));
      }
    }
  }
}

}  // namespace fairlane
