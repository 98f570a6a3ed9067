// Owns the running state of some queries of one KV head in the vector plug-ins' attention: what an
// online softmax keeps of each between spans, and its words as the arithmetic `A` takes them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "ops/paged_attention.h"

namespace fairlane {

// Queries that are kept at a time: 16 tokens for three heads.
inline constexpr int32_t kQueryChunk = 48;

template <typename A>
class QuerySet {
 public:
  using Vector = typename A::Vector;
  using Word = typename A::Word;
  struct Query {
    float* out;
    int32_t position;
    float max;
    float sum;
  };

  QuerySet(const AttentionArgs& args, int32_t kv_head)
      : args_(args),
        kv_head_(kv_head),
        dim_(args.shape.head_dim),
        group_(args.heads / args.shape.kv_heads) {}

  // Takes `count` queries from number `begin` on, counted from a token's first one. Token by token,
  // so that positions ascend among the queries of a row that run together.
  void Open(int64_t token, int32_t begin, int32_t count) {
    count_ = count;
    for (int32_t i = 0; i < count; ++i) {
      const int64_t own = token + (begin + i) / group_;
      const int32_t head = kv_head_ * group_ + (begin + i) % group_;
      float* out = args_.out + (own * args_.heads + head) * dim_;
      queries_[i] = {out, args_.position[own], -std::numeric_limits<float>::infinity(), 0.0F};
      std::memset(out, 0, static_cast<size_t>(dim_) * sizeof(float));
      A::QueryWords(args_.q + own * args_.q_stride + static_cast<int64_t>(head) * dim_, dim_,
                    &words_[i * (kMaxHeadDim / A::kStep)]);
    }
  }

  // Divides what was summed by the weights' sums.
  void Close() {
    for (int32_t i = 0; i < count_; ++i) {
      const Vector inverse = A::Set(queries_[i].sum > 0.0F ? 1.0F / queries_[i].sum : 0.0F);
      for (int32_t d = 0; d < dim_; d += A::kLanes) {
        const Vector out = A::LoadSome(queries_[i].out + d, dim_ - d);
        A::StoreSome(queries_[i].out + d, dim_ - d, A::Mul(out, inverse));
      }
    }
  }

  Query* at(int32_t index) { return &queries_[index]; }
  const Word* words(int32_t index) const { return &words_[index * (kMaxHeadDim / A::kStep)]; }

  // The lowest and the highest position of some queries.
  std::pair<int32_t, int32_t> Positions(int32_t first, int32_t count) const {
    std::pair<int32_t, int32_t> span = {queries_[first].position, queries_[first].position};
    for (int32_t i = first + 1; i < first + count; ++i) {
      span.first = std::min(span.first, queries_[i].position);
      span.second = std::max(span.second, queries_[i].position);
    }
    return span;
  }

 private:
  const AttentionArgs& args_;
  const int32_t kv_head_;
  const int32_t dim_;
  const int32_t group_;
  int32_t count_ = 0;
  Query queries_[kQueryChunk];
  alignas(64) Word words_[kQueryChunk * kMaxHeadDim / A::kStep];  // [query][dim / kStep]
};

}  // namespace fairlane
