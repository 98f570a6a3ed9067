// Contract of moving a page's K and V out of and into a backend's own layout. The canonical form,
// the same for every backend and page layout:
//   [layer][kv_head][K: 16 tokens x head_dim, then V: 16 tokens x head_dim]
// with elements of the KV type as stored, little-endian. Places of the page that no token was
// written to are moved as they are.
#pragma once

#include <cstdint>

#include "ops/append_kv.h"

namespace fairlane {

inline size_t CanonicalPageBytes(const KvShape& shape) {
  return static_cast<size_t>(shape.layers) * static_cast<size_t>(shape.kv_heads) * 2 * kPageTokens *
         static_cast<size_t>(shape.head_dim) * (shape.type == kKvF16 ? 2 : 4);
}

// `canonical` has CanonicalPageBytes(*shape) bytes.
using ExportPageFn = void (*)(const KvShape* shape, const uint8_t* page, uint8_t* canonical);
using ImportPageFn = void (*)(const KvShape* shape, const uint8_t* canonical, uint8_t* page);

}  // namespace fairlane
