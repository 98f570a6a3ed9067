// Owns the shape of the vector plug-ins' attention (flash-style online softmax): some blocks of a
// row, in spans of 64 absolute positions, for the queries of a QuerySet. How the numbers of a span
// come out of pages is kv_span.h's; which rows and blocks go together is attention_items.h's. An
// ISA brings its arithmetic as `A` for scores and `V` for values: a word holds kStep neighbouring
// values (one float, or a pair of bf16), and MulAdd multiplies words. Invariant: a query's result
// depends on the positions it sees alone; who shares its span, and keys it does not see, change no
// bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "cpu/kv_span.h"
#include "cpu/query_set.h"
#include "ops/paged_attention.h"

namespace fairlane {

// A block of a row that a thread comes to next, to be read ahead; row null: not known.
struct NextBlock {
  const AttentionRow* row;
  int32_t block;
  int32_t kv_head;
};

// Blocks [begin, end) of a row.
struct RowBlocks {
  const AttentionRow* row;
  int32_t begin;
  int32_t end;
};

// `Span`: ConvertedSpan or ViewedSpan.
template <typename A, typename V, typename Span>
class BlockedAttention {
 public:
  BlockedAttention(const AttentionArgs& args, int32_t kv_head, QuerySet<A>* queries)
      : args_(args),
        kv_head_(kv_head),
        queries_(queries),
        dim_(args.shape.head_dim),
        scale_(1.0F / std::sqrt(static_cast<float>(dim_))) {}

  // Folds the blocks into queries [first, first + count) of the set. A span that was begun must
  // end among the blocks.
  void Run(const RowBlocks& blocks, int32_t first, int32_t count, const NextBlock& next) {
    row_ = blocks.row;
    next_ = next;
    const auto [lowest, highest] = queries_->Positions(first, count);
    for (int32_t b = blocks.begin; b < blocks.end;) {
      const int32_t end = OpenSpan(b, blocks.end, lowest, highest);
      if (end == b) break;  // what follows lies behind all queries
      b = end;
      if (span_count_ == 0) continue;  // all windows have left it
      for (int32_t i = 0; i < count; i += A::kQueries)
        RunGroup(first + i, std::min(A::kQueries, count - i));
    }
  }

 private:
  using Vector = typename A::Vector;
  using Word = typename A::Word;
  using Weight = typename V::Word;
  using Query = typename QuerySet<A>::Query;
  static constexpr int kBlockVectors = kPageTokens / A::kLanes;

  // Takes the blocks of one span, from block `b` on and before `end`, that some query between the
  // two positions sees. Returns the block behind the span; `b` itself if it lies behind all of
  // them.
  int32_t OpenSpan(int32_t b, int32_t end, int32_t first_position, int32_t last_position) {
    span_count_ = 0;
    const int32_t span = args_.blocks[row_->block_begin + b].first_pos / kSpanTokens;
    for (; b < end; ++b) {
      const KvBlock& block = args_.blocks[row_->block_begin + b];
      if (block.first_pos / kSpanTokens != span || block.first_pos > last_position) return b;
      if (IsPassed(block, first_position, args_.window)) continue;
      span_.WillRead(span_count_, BlockAhead(b + Span::kBlocksAhead), KvHeadBytes(args_.shape));
      span_.Add(span_count_++, block, args_, kv_head_);
    }
    return b;
  }

  // Where the row's block `b` lies; behind the last one, a block of what comes next.
  BlockAddress BlockAhead(int32_t b) const {
    if (b < row_->block_count)
      return AddressOf(args_.blocks[row_->block_begin + b], args_, kv_head_);
    if (next_.row == nullptr) return {};
    b += next_.block - row_->block_count;
    if (b >= next_.row->block_count) return {};
    return AddressOf(args_.blocks[next_.row->block_begin + b], args_, next_.kv_head);
  }

  void RunGroup(int32_t first, int32_t count) {
    switch (count) {
      case 6:
        return RunQueries<6>(first);
      case 5:
        return RunQueries<5>(first);
      case 4:
        return RunQueries<4>(first);
      case 3:
        return RunQueries<3>(first);
      case 2:
        return RunQueries<2>(first);
      default:
        return RunQueries<1>(first);
    }
  }

  template <int N>
  void RunQueries(int32_t first) {
    if constexpr (N <= A::kQueries) {
      Vector scores[N][kSpanBlocks * kBlockVectors];
      Query* const queries = queries_->at(first);
      uint32_t visible[N][kSpanBlocks];
      int32_t used = 0;  // blocks up to the last one that somebody sees
      for (int i = 0; i < N; ++i) {
        for (int32_t b = 0; b < span_count_; ++b) {
          visible[i][b] = VisibleLanes(span_.block(b).lanes, span_.block(b).first_pos,
                                       queries[i].position, args_.window);
          if (visible[i][b] != 0) used = std::max(used, b + 1);
        }
      }
      if (used == 0) return;
      for (int32_t b = 0; b < used; b += A::kScoreBlocks)
        ScoresFor<N>(std::min(used - b, A::kScoreBlocks), first, b, scores);
      alignas(64) Weight weights[N][kSpanTokens / V::kStep];
      float correction[N];
      for (int i = 0; i < N; ++i)
        correction[i] = Fold(&queries[i], scores[i], visible[i], used, weights[i]);
      AddValues<N>(queries, used, weights, correction);
    }
  }

  template <int N>
  void ScoresFor(int32_t blocks, int32_t first, int32_t at,
                 Vector (*scores)[kSpanBlocks * kBlockVectors]) {
    if constexpr (A::kScoreBlocks > 3) {
      if (blocks == 4) return Scores<N, 4>(first, at, scores);
      if (blocks == 3) return Scores<N, 3>(first, at, scores);
    }
    if constexpr (A::kScoreBlocks > 1) {
      if (blocks == 2) return Scores<N, 2>(first, at, scores);
    }
    Scores<N, 1>(first, at, scores);
  }

  // Scores of N queries against B blocks from block `at` of the span.
  template <int N, int B>
  void Scores(int32_t first, int32_t at, Vector (*scores)[kSpanBlocks * kBlockVectors]) {
    constexpr int kVectors = B * kBlockVectors;
    Vector sum[N][kVectors];
    for (int i = 0; i < N; ++i)
      for (int v = 0; v < kVectors; ++v) sum[i][v] = A::Zero();
    const Word* words = queries_->words(first);
    for (int32_t d = 0; d < dim_ / A::kStep; ++d) {
      Vector k[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        k[v] = span_.Key(at + v / kBlockVectors, v % kBlockVectors, d);
#pragma GCC unroll 4
      for (int b = 0; b < B; ++b) span_.ReadValuesAhead(at + b, d);
#pragma GCC unroll 6
      for (int i = 0; i < N; ++i) {
        const Vector q = A::SetWord(words[i * (kMaxHeadDim / A::kStep) + d]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[i][v] = A::MulAdd(k[v], q, sum[i][v]);
      }
    }
    for (int i = 0; i < N; ++i)
      for (int v = 0; v < kVectors; ++v) scores[i][at * kBlockVectors + v] = sum[i][v];
  }

  // Weights of the visible keys under the running softmax; returns the correction of what was
  // summed before.
  float Fold(Query* query, Vector* scores, const uint32_t* visible, int32_t used, Weight* weights) {
    const Vector scale = A::Set(scale_);
    Vector largest = A::Set(-std::numeric_limits<float>::infinity());
    for (int32_t v = 0; v < used * kBlockVectors; ++v) {
      const uint32_t bits = visible[v / kBlockVectors] >> (v % kBlockVectors * A::kLanes);
      scores[v] = A::OrMinusInfinity(A::Mul(scores[v], scale), bits);
      largest = A::Max(largest, scores[v]);
    }
    const float max = std::max(query->max, A::ReduceMax(largest));
    const bool sees_none = max == -std::numeric_limits<float>::infinity();
    const Vector base = A::Set(sees_none ? 0.0F : max);
    Vector sum = A::Zero();
    for (int32_t v = 0; v < used * kBlockVectors; ++v) {
      const Vector p = A::Exp(A::Sub(scores[v], base));
      sum = A::Add(sum, p);
      V::StoreWeights(p, weights + v * A::kLanes / V::kStep);
    }
    const float correction =
        query->max == max || sees_none ? 1.0F : A::First(A::Exp(A::Set(query->max - max)));
    query->max = max;
    query->sum = query->sum * correction + A::ReduceAdd(sum);
    return correction;
  }

  // out = out * correction + sum over keys of weight * value, keys in ascending order.
  template <int N>
  void AddValues(Query* queries, int32_t used, const Weight (*weights)[kSpanTokens / V::kStep],
                 const float* correction) {
    for (int32_t d = 0; d < dim_; d += A::kValueVectors * A::kLanes) {
      const int32_t left = dim_ - d;
      Vector out[N][A::kValueVectors];
      for (int i = 0; i < N; ++i) {
        for (int v = 0; v < A::kValueVectors; ++v) {
          const int32_t at = v * A::kLanes;
          out[i][v] =
              A::Mul(A::LoadSome(queries[i].out + d + at, left - at), A::Set(correction[i]));
        }
      }
      for (int32_t b = 0; b < used; ++b) {
        if (span_.IsFull(b)) {
          AddBlock<N, true>(b, d, weights, out);
        } else {
          AddBlock<N, false>(b, d, weights, out);
        }
      }
      for (int i = 0; i < N; ++i) {
        for (int v = 0; v < A::kValueVectors; ++v) {
          const int32_t at = v * A::kLanes;
          A::StoreSome(queries[i].out + d + at, left - at, out[i][v]);
        }
      }
    }
  }

  template <int N, bool kIsFull>
  void AddBlock(int32_t block, int32_t d, const Weight (*weights)[kSpanTokens / V::kStep],
                Vector (*out)[A::kValueVectors]) {
    constexpr int32_t kKeys = kPageTokens / V::kStep;
    for (int32_t key = 0; key < kKeys; ++key) {
      if (d == 0) span_.ReadKeysAhead(block, key);
      Vector x[A::kValueVectors];
#pragma GCC unroll 4
      for (int v = 0; v < A::kValueVectors; ++v)
        x[v] = span_.template Value<kIsFull>(block, key, d + v * A::kLanes);
#pragma GCC unroll 6
      for (int i = 0; i < N; ++i) {
        const Vector weight = V::SetWord(weights[i][block * kKeys + key]);
#pragma GCC unroll 4
        for (int v = 0; v < A::kValueVectors; ++v) out[i][v] = V::MulAdd(x[v], weight, out[i][v]);
      }
    }
  }

  const AttentionArgs& args_;
  const int32_t kv_head_;
  QuerySet<A>* const queries_;
  const int32_t dim_;
  const float scale_;
  const AttentionRow* row_ = nullptr;
  NextBlock next_ = {};
  int32_t span_count_ = 0;
  Span span_;
};

}  // namespace fairlane
