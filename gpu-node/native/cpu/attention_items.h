// Owns how the vector plug-ins go through attention items: which queries meet which blocks, and in
// which form of a span (kv_span.h). Rows of one item that begin with the same blocks meet those
// together, read from the item's first row, and then each its own.
// [Hydragen] sec. 3, but the softmax is carried on instead of merged. Invariant: the spans of a
// query and their order are the same whoever shares them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/blocked_attention.h"

namespace fairlane {

// Leading blocks of an item's rows that are the same in all of them, in whole spans.
inline int32_t SharedBlocks(const AttentionArgs& args, const AttentionItem& item) {
  const AttentionRow* const rows = args.rows + item.row;
  int32_t shared = rows[0].block_count;
  for (int32_t r = 1; r < item.row_count; ++r) shared = std::min(shared, rows[r].shared_blocks);
  const auto cuts_span = [&](int32_t end) {
    const int32_t span = args.blocks[rows[0].block_begin + end - 1].first_pos / kSpanTokens;
    return std::any_of(rows, rows + item.row_count, [&](const AttentionRow& row) {
      return end < row.block_count &&
             args.blocks[row.block_begin + end].first_pos / kSpanTokens == span;
    });
  };
  while (shared > 0 && cuts_span(shared)) --shared;
  return shared;
}

template <typename A, typename V, typename Element>
class ItemAttention {
 public:
  ItemAttention(const AttentionArgs& args, const AttentionItem& item)
      : args_(args),
        item_(item),
        group_(args.heads / args.shape.kv_heads),
        queries_(args, item.kv_head),
        many_(args, item.kv_head, &queries_),
        few_(args, item.kv_head, &queries_) {}

  // `next`: what this thread comes to after the item.
  void Run(const NextBlock& next) {
    const AttentionRow& row = args_.rows[item_.row];
    const int64_t token = row.token_begin + item_.token_begin;
    if (item_.row_count > 1) return RunRows(token, next);
    const int32_t queries = item_.token_count * group_;
    for (int32_t begin = 0; begin < queries; begin += kQueryChunk) {
      const int32_t count = std::min(kQueryChunk, queries - begin);
      queries_.Open(token, begin, count);
      RunBlocks({&row, 0, row.block_count}, 0, count, next);
      queries_.Close();
    }
  }

 private:
  // Rows of one token each; as many together as their queries are kept.
  void RunRows(int64_t token, const NextBlock& next) {
    const AttentionRow* const rows = args_.rows + item_.row;
    const int32_t shared = SharedBlocks(args_, item_);
    const int32_t together = shared > 0 ? std::max(1, kQueryChunk / group_) : 1;
    for (int32_t r = 0; r < item_.row_count; r += together) {
      const int32_t end = std::min(r + together, item_.row_count);
      for (int32_t head = 0; head < group_; head += kQueryChunk) {
        const int32_t heads = std::min(kQueryChunk, group_ - head);
        queries_.Open(token + r, head, heads * (end - r));
        RunBlocks({&rows[0], 0, shared}, 0, heads * (end - r), {&rows[r], shared, item_.kv_head});
        for (int32_t own = r; own < end; ++own) {
          const bool is_last = own + 1 == item_.row_count;
          RunBlocks({&rows[own], shared, rows[own].block_count}, heads * (own - r), heads,
                    is_last ? next : NextBlock{&rows[own + 1], shared, item_.kv_head});
        }
        queries_.Close();
      }
    }
  }

  void RunBlocks(const RowBlocks& blocks, int32_t first, int32_t count, const NextBlock& next) {
    if (count > A::kQueries) {
      many_.Run(blocks, first, count, next);
    } else {
      few_.Run(blocks, first, count, next);
    }
  }

  const AttentionArgs& args_;
  const AttentionItem& item_;
  const int32_t group_;
  QuerySet<A> queries_;
  BlockedAttention<A, V, ConvertedSpan<A, V>> many_;
  BlockedAttention<A, V, ViewedSpan<Element, A, V>> few_;
};

// Items [begin, end) by the arithmetic `A` and `V`.
template <typename A, typename V = A>
void RunAttentionItems(const AttentionArgs& args, int32_t begin, int32_t end) {
  for (int32_t i = begin; i < end; ++i) {
    const AttentionItem& item = args.items[i];
    NextBlock next = {};
    if (i + 1 < end) next = {args.rows + args.items[i + 1].row, 0, args.items[i + 1].kv_head};
    if (args.shape.type == kKvInt8) {
      ItemAttention<A, V, int8_t>(args, item).Run(next);
    } else if (args.shape.type == kKvF32) {
      ItemAttention<A, V, float>(args, item).Run(next);
    } else {
      ItemAttention<A, V, uint16_t>(args, item).Run(next);
    }
  }
}

}  // namespace fairlane
