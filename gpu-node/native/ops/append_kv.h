// Contract of writing the K and V of new tokens into their pages, rounded to the KV type: a float
// type, or int8 with one f32 scale for each K and each V of a token and KV head. A page holds 16
// tokens of all layers of a KV group (core/kv_groups.h); how they lie inside it is the backend's
// own (kv_page_bytes says how many bytes that takes).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fairlane {

inline constexpr int32_t kPageTokens = 16;

enum KvType : int32_t { kKvF16 = 0, kKvF32 = 1, kKvInt8 = 2 };

inline constexpr size_t KvElementBytes(KvType type) {
  return type == kKvInt8 ? 1 : type == kKvF16 ? 2 : 4;
}

// Bytes of the scales of one head's K (or V) in one layer of a page.
inline constexpr size_t KvScaleBytes(KvType type) {
  return type == kKvInt8 ? static_cast<size_t>(kPageTokens) * sizeof(float) : 0;
}

// Shape of a group's pages, the same for every op that touches one.
struct KvShape {
  KvType type;
  int32_t layers;  // of the group; layers are numbered in it
  int32_t kv_heads;
  int32_t head_dim;  // a multiple of 8
};

struct AppendKvArgs {
  KvShape shape;
  int32_t layer;
  const float* k;  // token t's K at k + t * stride, [kv_heads, head_dim]
  const float* v;  // likewise
  int64_t stride;
  uint8_t* const* page;        // [tokens] start of the page that receives token t
  const int32_t* page_offset;  // [tokens] place of token t in its page, 0 .. 15
};

using KvPageBytesFn = size_t (*)(const KvShape* shape);
using AppendKvFn = void (*)(const AppendKvArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
