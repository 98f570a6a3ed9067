// Owns how the keys and values of a span, up to 64 absolute positions, reach an attention kernel:
// ConvertedSpan converts them once into scratch, which many queries then read; ViewedSpan converts
// them as they are read, which is less work for few queries. Invariant: both give the same words in
// the same places, zeros where there is no key.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/kv_block.h"
#include "ops/paged_attention.h"

namespace fairlane {

inline constexpr int32_t kSpanBlocks = 4;
inline constexpr int32_t kSpanTokens = kSpanBlocks * kPageTokens;
inline constexpr size_t kCacheLineBytes = 64;
inline constexpr uint32_t kAllLanes = (1U << kPageTokens) - 1U;

// One block of a span.
struct SpanBlock {
  int32_t first_pos;
  uint32_t lanes;  // bit l: lane l holds a key
};

// A block's K and V of one head in memory, to be read ahead; null: nothing to read.
struct BlockAddress {
  const uint8_t* keys;
  const uint8_t* values;
};

inline BlockAddress AddressOf(const KvBlock& block, const AttentionArgs& args, int32_t kv_head) {
  uint8_t* page = args.runs[block.run_begin].page;
  return {KeysOf(page, args.shape, args.layer, kv_head),
          ValuesOf(page, args.shape, args.layer, kv_head)};
}

// `A` reads keys and `V` values (blocked_attention.h).
template <typename A, typename V>
class ConvertedSpan {
 public:
  using Vector = typename A::Vector;
  static constexpr int32_t kBlocksAhead = 1;  // how far ahead of a block WillRead is told

  void Add(int32_t at, const KvBlock& block, const AttentionArgs& args, int32_t kv_head) {
    if (args.shape.type == kKvInt8) {
      Convert<int8_t>(at, block, args, kv_head);
    } else if (args.shape.type == kKvF32) {
      Convert<float>(at, block, args, kv_head);
    } else {
      Convert<uint16_t>(at, block, args, kv_head);
    }
  }
  const SpanBlock& block(int32_t at) const { return blocks_[at]; }
  // Keys of vector `v` of a block in dimension (pair) d.
  Vector Key(int32_t at, int v, int32_t d) const {
    return A::Load(&keys_[d * kSpanTokens + at * kPageTokens + v * A::kLanes]);
  }
  // Dimensions d .. of the key (pair) `key` of a block.
  template <bool kIsFull>
  Vector Value(int32_t at, int32_t key, int32_t d) const {
    return V::Load(&values_[(at * (kPageTokens / V::kStep) + key) * kMaxHeadDim + d]);
  }
  // Every lane holds a key and every register is full, so nothing need be masked. What is converted
  // has its zeros already.
  bool IsFull(int32_t) const { return true; }
  // A block's K and V are two short stretches that no stream leads to, so all is read ahead here
  // and nothing while the kernel computes.
  void WillRead(int32_t, const BlockAddress& ahead, size_t head_bytes) {
    for (size_t line = 0; ahead.keys != nullptr && line < head_bytes; line += kCacheLineBytes) {
      __builtin_prefetch(ahead.keys + line);
      __builtin_prefetch(ahead.values + line);
    }
  }
  void ReadValuesAhead(int32_t, int32_t) const {}
  void ReadKeysAhead(int32_t, int32_t) const {}

 private:
  template <typename Element>
  void Convert(int32_t at, const KvBlock& block, const AttentionArgs& args, int32_t kv_head) {
    KvScratch<Element> gathered;
    const auto view = ViewKvBlock<Element>(block, args, kv_head, &gathered);
    blocks_[at] = {block.first_pos, view.lanes};
    for (int32_t d = 0; d < view.dim / A::kStep; ++d) {
      for (int v = 0; v < kPageTokens / A::kLanes; ++v) {
        A::Store(&keys_[d * kSpanTokens + at * kPageTokens + v * A::kLanes],
                 A::template Key<Element>(view, v, d));
      }
    }
    auto* values = &values_[at * (kPageTokens / V::kStep) * kMaxHeadDim];
    for (int32_t key = 0; key < kPageTokens / V::kStep; ++key, values += kMaxHeadDim) {
      for (int32_t d = 0; d < view.dim; d += V::kLanes)
        V::Store(values + d, V::template Value<false>(view, key, d));
    }
  }

  SpanBlock blocks_[kSpanBlocks];
  // [dim / kStep][key of the span]; [key / kStep][dim].
  alignas(64) typename A::Word keys_[kMaxHeadDim / A::kStep * kSpanTokens];
  alignas(64) typename V::Word values_[kSpanTokens / V::kStep * kMaxHeadDim];
};

template <typename Element, typename A, typename V>
class ViewedSpan {
 public:
  using Vector = typename A::Vector;
  static constexpr int32_t kBlocksAhead = kSpanBlocks;

  void Add(int32_t at, const KvBlock& block, const AttentionArgs& args, int32_t kv_head) {
    views_[at] = ViewKvBlock<Element>(block, args, kv_head, &gathered_[at]);
    blocks_[at] = {block.first_pos, views_[at].lanes};
  }
  const SpanBlock& block(int32_t at) const { return blocks_[at]; }
  Vector Key(int32_t at, int v, int32_t d) const {
    return A::template Key<Element>(views_[at], v, d);
  }
  template <bool kIsFull>
  Vector Value(int32_t at, int32_t key, int32_t d) const {
    return V::template Value<kIsFull>(views_[at], key, d);
  }
  bool IsFull(int32_t at) const {
    return views_[at].lanes == kAllLanes && views_[at].dim % (A::kValueVectors * A::kLanes) == 0;
  }
  void WillRead(int32_t at, const BlockAddress& ahead, size_t head_bytes) {
    ahead_[at] = ahead.keys;
    key_step_bytes_ = head_bytes * V::kStep / kPageTokens;
  }
  // A block's values while its scores are computed: the share of dimension d.
  void ReadValuesAhead(int32_t at, int32_t d) const {
    __builtin_prefetch(views_[at].values + d * kPageTokens);
  }
  // A later block's keys while the values of block `at` are summed: the share of key (pair) `key`.
  void ReadKeysAhead(int32_t at, int32_t key) const {
    const uint8_t* const begin = ahead_[at];
    if (begin == nullptr) return;
    for (size_t line = 0; line < key_step_bytes_; line += kCacheLineBytes)
      __builtin_prefetch(begin + static_cast<size_t>(key) * key_step_bytes_ + line);
  }

 private:
  SpanBlock blocks_[kSpanBlocks];
  KvBlockView<Element> views_[kSpanBlocks];
  const uint8_t* ahead_[kSpanBlocks] = {};
  size_t key_step_bytes_ = 0;
  KvScratch<Element> gathered_[kSpanBlocks];
};

}  // namespace fairlane
