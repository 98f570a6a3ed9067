// Contract of moving a page's K and V out of and into a backend's own layout. The canonical form,
// the same for every backend and page layout:
//   [layer][kv_head][K: 16 tokens x head_dim, then V: 16 tokens x head_dim]
// with elements of the KV type as stored, little-endian; for int8, behind all elements,
//   [layer][kv_head][scales of K: 16, then scales of V: 16] in f32
// Places of the page that no token was
// written to are moved as they are.
#pragma once

#include <cstdint>

#include "ops/append_kv.h"

namespace fairlane {

inline size_t CanonicalPageBytes(const KvShape& shape) {
  const size_t elements = static_cast<size_t>(kPageTokens) * static_cast<size_t>(shape.head_dim);
  return static_cast<size_t>(shape.layers) * static_cast<size_t>(shape.kv_heads) * 2 *
         (elements * KvElementBytes(shape.type) + KvScaleBytes(shape.type));
}

// `canonical` has CanonicalPageBytes(*shape) bytes.
using ExportPageFn = void (*)(const KvShape* shape, const uint8_t* page, uint8_t* canonical);
using ImportPageFn = void (*)(const KvShape* shape, const uint8_t* canonical, uint8_t* page);

}  // namespace fairlane
