// Owns how an attention kernel gets at the K and V of one block of 16 absolute positions: straight
// in the page where one aligned page holds the block, else gathered into scratch with empty lanes
// zeroed. Both ways give the kernel the same numbers in the same lanes.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cpu/kv_page.h"
#include "ops/paged_attention.h"

namespace fairlane {

template <typename Element>
struct KvScratch {
  alignas(64) Element keys[kMaxHeadDim * kPageTokens];
  alignas(64) Element values[kPageTokens * kMaxHeadDim];
  float key_scales[kPageTokens];  // scales: int8 only
  float value_scales[kPageTokens];
};

template <typename Element>
struct KvBlockView {
  const Element* keys;    // [head_dim][16]
  const Element* values;  // [16][head_dim]
  int32_t dim;            // head_dim
  uint32_t lanes;         // bit l: lane l holds a key
  // [16] each; null unless the elements are int8. What stands in lanes without a key is arbitrary.
  const float* key_scales;
  const float* value_scales;
};

template <typename Element>
inline constexpr bool kHasScales = std::is_same_v<Element, int8_t>;

template <typename Element>
inline void GatherRun(const KvRun& run, const AttentionArgs& args, int32_t kv_head,
                      KvScratch<Element>* scratch) {
  const int32_t dim = args.shape.head_dim;
  const auto* keys =
      reinterpret_cast<const Element*>(KeysOf(run.page, args.shape, args.layer, kv_head));
  const auto* values =
      reinterpret_cast<const Element*>(ValuesOf(run.page, args.shape, args.layer, kv_head));
  for (int32_t d = 0; d < dim; ++d) {
    std::memcpy(&scratch->keys[d * kPageTokens + run.lane],
                &keys[d * kPageTokens + run.page_offset],
                static_cast<size_t>(run.count) * sizeof(Element));
  }
  std::memcpy(&scratch->values[run.lane * dim], &values[run.page_offset * dim],
              static_cast<size_t>(run.count) * static_cast<size_t>(dim) * sizeof(Element));
  if constexpr (kHasScales<Element>) {
    const size_t bytes = static_cast<size_t>(run.count) * sizeof(float);
    std::memcpy(&scratch->key_scales[run.lane],
                KeyScalesOf(run.page, args.shape, args.layer, kv_head) + run.page_offset, bytes);
    std::memcpy(&scratch->value_scales[run.lane],
                ValueScalesOf(run.page, args.shape, args.layer, kv_head) + run.page_offset, bytes);
  }
}

template <typename Element>
inline KvBlockView<Element> ViewKvBlock(const KvBlock& block, const AttentionArgs& args,
                                        int32_t kv_head, KvScratch<Element>* scratch) {
  const int32_t dim = args.shape.head_dim;
  const KvRun& first = args.runs[block.run_begin];
  if (block.run_count == 1 && first.lane == 0 && first.page_offset == 0) {
    KvBlockView<Element> view = {
        reinterpret_cast<const Element*>(KeysOf(first.page, args.shape, args.layer, kv_head)),
        reinterpret_cast<const Element*>(ValuesOf(first.page, args.shape, args.layer, kv_head)),
        dim,
        (1U << first.count) - 1U,
        nullptr,
        nullptr};
    if constexpr (kHasScales<Element>) {
      view.key_scales = KeyScalesOf(first.page, args.shape, args.layer, kv_head);
      view.value_scales = ValueScalesOf(first.page, args.shape, args.layer, kv_head);
    }
    return view;
  }
  const size_t used = KvHeadElements(args.shape) * sizeof(Element);
  std::memset(scratch->keys, 0, used);
  std::memset(scratch->values, 0, used);
  if constexpr (kHasScales<Element>) {
    std::memset(scratch->key_scales, 0, sizeof(scratch->key_scales));
    std::memset(scratch->value_scales, 0, sizeof(scratch->value_scales));
  }
  uint32_t lanes = 0;
  for (int32_t i = 0; i < block.run_count; ++i) {
    const KvRun& run = args.runs[block.run_begin + i];
    GatherRun(run, args, kv_head, scratch);
    lanes |= ((1U << run.count) - 1U) << run.lane;
  }
  if constexpr (kHasScales<Element>)
    return {scratch->keys, scratch->values, dim, lanes, scratch->key_scales, scratch->value_scales};
  return {scratch->keys, scratch->values, dim, lanes, nullptr, nullptr};
}

// The lanes that a query at `position` sees in a block that starts at `first_pos`; `window` 0 is
// none.
inline uint32_t VisibleLanes(uint32_t lanes, int32_t first_pos, int32_t position, int32_t window) {
  const int32_t last_lane = position - first_pos;
  if (last_lane < 0) return 0;
  if (last_lane < kPageTokens - 1) lanes &= (2U << last_lane) - 1U;
  const int32_t first_lane = window > 0 ? last_lane - window + 1 : 0;
  if (first_lane <= 0) return lanes;
  return first_lane >= kPageTokens ? 0 : lanes & ~((1U << first_lane) - 1U);
}

// True if a query at `position` and every later one are past what they see of the block.
inline bool IsPassed(const KvBlock& block, int32_t position, int32_t window) {
  return window > 0 && block.first_pos + kPageTokens <= position - window + 1;
}

// Lanes up to and including the highest one set.
inline int32_t LaneCount(uint32_t lanes) { return lanes == 0 ? 0 : 32 - __builtin_clz(lanes); }

}  // namespace fairlane
