// Contract of causal attention over paged K and V with grouped query heads.
// The keys of a row are listed in blocks of 16 absolute positions, [16 b, 16 b + 16), in ascending
// order; a query at position p sees the listed keys at positions <= p, with a window only those
// above p - window. Blocks that no query of a row sees may be missing. Reduction goes block by
// block from the first that a query sees, so a result depends on the positions of the keys and not
// on the pages, page offsets or chunks that brought them.
#pragma once

#include <cstdint>

#include "ops/append_kv.h"

namespace fairlane {

// `count` neighbouring tokens of one page: page offsets page_offset .. and block lanes lane .. .
struct KvRun {
  uint8_t* page;
  int32_t page_offset;
  int32_t lane;
  int32_t count;
};

struct KvBlock {
  int32_t first_pos;  // a multiple of kPageTokens
  int32_t run_begin;  // index into runs
  int32_t run_count;  // >= 1, ascending lanes, disjoint
};

// The rows' queries of one step. A row's tokens are neighbours in q and have ascending positions.
struct AttentionRow {
  int32_t token_begin;
  int32_t token_count;
  int32_t block_begin;  // index into blocks
  int32_t block_count;
  // As many leading blocks are those of the row before: the same positions in the same pages.
  int32_t shared_blocks = 0;
};

// One piece of work for one KV head: some query tokens of one row, or several rows that follow each
// other, of one token each. Blocks that all of an item's rows begin with are read from the first.
struct AttentionItem {
  int32_t row;
  int32_t kv_head;
  int32_t token_begin;  // relative to the row
  int32_t token_count;
  int32_t row_count = 1;  // above 1: the same as token_count
};

struct AttentionArgs {
  KvShape shape;
  int32_t layer;
  int32_t window;  // positions that a query sees, its own included; 0: all
  int32_t heads;   // query heads, a multiple of kv_heads
  const float* q;  // token t's queries at q + t * q_stride, [heads, head_dim]
  int64_t q_stride;
  float* out;               // [tokens, heads, head_dim]
  const int32_t* position;  // [tokens]
  const AttentionRow* rows;
  const KvBlock* blocks;
  const KvRun* runs;
  const AttentionItem* items;
};

inline constexpr int32_t kMaxHeadDim = 256;

using PagedAttentionFn = void (*)(const AttentionArgs* args, int32_t item_begin, int32_t item_end);

}  // namespace fairlane
