// Owns the layout of K and V inside a page of the CPU backends, the same for every plug-in:
//   [layer][K of kv_head 0, 1, ..., then V of kv_head 0, 1, ...]
//   K of a head: [head_dim][16 tokens], so that 16 scores come out of one vector register
//   V of a head: [16 tokens][head_dim]
// Elements are f16, f32 or int8. Behind all int8 elements lie their scales, f32, 16 tokens for each
// K and each V in the same order. All offsets are 64-bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/append_kv.h"

namespace fairlane {

// Elements of K (or V) of one head in one layer of a page.
inline size_t KvHeadElements(const KvShape& shape) {
  return static_cast<size_t>(shape.head_dim) * kPageTokens;
}

inline size_t KvHeadBytes(const KvShape& shape) {
  return KvHeadElements(shape) * KvElementBytes(shape.type);
}

// How many K and V of a head a page holds.
inline size_t KvHeadCount(const KvShape& shape) {
  return static_cast<size_t>(shape.layers) * 2 * static_cast<size_t>(shape.kv_heads);
}

inline size_t KvPageBytes(const KvShape& shape) {
  return KvHeadCount(shape) * (KvHeadBytes(shape) + KvScaleBytes(shape.type));
}

inline size_t KeysIndex(const KvShape& shape, int32_t layer, int32_t kv_head) {
  return (static_cast<size_t>(layer) * 2) * static_cast<size_t>(shape.kv_heads) +
         static_cast<size_t>(kv_head);
}

inline size_t ValuesIndex(const KvShape& shape, int32_t layer, int32_t kv_head) {
  return KeysIndex(shape, layer, kv_head) + static_cast<size_t>(shape.kv_heads);
}

// K of a head: [head_dim][16].
inline uint8_t* KeysOf(uint8_t* page, const KvShape& shape, int32_t layer, int32_t kv_head) {
  return page + KeysIndex(shape, layer, kv_head) * KvHeadBytes(shape);
}

// V of a head: [16][head_dim].
inline uint8_t* ValuesOf(uint8_t* page, const KvShape& shape, int32_t layer, int32_t kv_head) {
  return page + ValuesIndex(shape, layer, kv_head) * KvHeadBytes(shape);
}

// Scales of a head's K, [16]; int8 only.
inline float* KeyScalesOf(uint8_t* page, const KvShape& shape, int32_t layer, int32_t kv_head) {
  return reinterpret_cast<float*>(page + KvHeadCount(shape) * KvHeadBytes(shape) +
                                  KeysIndex(shape, layer, kv_head) * KvScaleBytes(shape.type));
}

// Scales of a head's V, [16]; int8 only.
inline float* ValueScalesOf(uint8_t* page, const KvShape& shape, int32_t layer, int32_t kv_head) {
  return reinterpret_cast<float*>(page + KvHeadCount(shape) * KvHeadBytes(shape) +
                                  ValuesIndex(shape, layer, kv_head) * KvScaleBytes(shape.type));
}

}  // namespace fairlane
