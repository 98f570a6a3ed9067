// Owns the layout of K and V inside a page of the CPU backends, the same for every plug-in:
//   [layer][K of kv_head 0, 1, ..., then V of kv_head 0, 1, ...]
//   K of a head: [head_dim][16 tokens], so that 16 scores come out of one vector register
//   V of a head: [16 tokens][head_dim]
// Elements are f16 or f32; all offsets are 64-bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/append_kv.h"

namespace fairlane {

inline size_t KvElementBytes(const KvShape& shape) { return shape.type == kKvF16 ? 2 : 4; }

// Elements of K (or V) of one head in one layer of a page.
inline size_t KvHeadElements(const KvShape& shape) {
  return static_cast<size_t>(shape.head_dim) * kPageTokens;
}

inline size_t KvPageBytes(const KvShape& shape) {
  return static_cast<size_t>(shape.layers) * 2 * static_cast<size_t>(shape.kv_heads) *
         KvHeadElements(shape) * KvElementBytes(shape);
}

// K of a head: [head_dim][16].
inline uint8_t* KeysOf(uint8_t* page, const KvShape& shape, int32_t layer, int32_t kv_head) {
  const size_t head = (static_cast<size_t>(layer) * 2) * static_cast<size_t>(shape.kv_heads) +
                      static_cast<size_t>(kv_head);
  return page + head * KvHeadElements(shape) * KvElementBytes(shape);
}

// V of a head: [16][head_dim].
inline uint8_t* ValuesOf(uint8_t* page, const KvShape& shape, int32_t layer, int32_t kv_head) {
  const size_t head = (static_cast<size_t>(layer) * 2 + 1) * static_cast<size_t>(shape.kv_heads) +
                      static_cast<size_t>(kv_head);
  return page + head * KvHeadElements(shape) * KvElementBytes(shape);
}

}  // namespace fairlane
