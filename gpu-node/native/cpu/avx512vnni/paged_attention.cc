// Paged attention with 16 keys of a block in one register. Up to 6 queries share the loads of K and
// V; each query keeps its own running maximum, sum and output, so sharing changes no result.
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/avx512vnni/exp.h"
#include "cpu/avx512vnni/ops.h"
#include "cpu/kv_block.h"

namespace fairlane::avx512vnni {
namespace {

constexpr int kQueriesAtOnce = 6;

struct Query {
  const float* q;
  float* out;
  int32_t position;
  float max;
  float sum;
};

inline __m512 LoadHalves(const uint16_t* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

// Scores of N queries against the 16 keys of a block.
template <int N>
inline void Scores(const Query* queries, const uint16_t* keys, int32_t dim, __m512* scores) {
  __m512 sum[N];
  for (int i = 0; i < N; ++i) sum[i] = _mm512_setzero_ps();
  for (int32_t d = 0; d < dim; ++d) {
    const __m512 k = LoadHalves(keys + d * kPageTokens);
#pragma GCC unroll 6
    for (int i = 0; i < N; ++i)
      sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(queries[i].q[d]), k, sum[i]);
  }
  for (int i = 0; i < N; ++i) scores[i] = sum[i];
}

// Weights of the visible keys under the running softmax; returns the correction of what was summed
// before.
inline float Fold(Query* query, __m512 scores, __mmask16 visible, float scale, float* weights) {
  const __m512 scaled = _mm512_mul_ps(scores, _mm512_set1_ps(scale));
  const __m512 minus_infinity = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  const __m512 masked = _mm512_mask_mov_ps(minus_infinity, visible, scaled);
  const float largest = _mm512_reduce_max_ps(masked);
  const float max = largest > query->max ? largest : query->max;
  const float correction =
      _mm_cvtss_f32(_mm512_castps512_ps128(Exp(_mm512_set1_ps(query->max - max))));
  const __m512 p = _mm512_maskz_mov_ps(visible, Exp(_mm512_sub_ps(masked, _mm512_set1_ps(max))));
  query->max = max;
  query->sum = query->sum * correction + _mm512_reduce_add_ps(p);
  _mm512_storeu_ps(weights, p);
  return correction;
}

// out = out * correction + sum over lanes of weight * value, lanes in ascending order.
template <int N>
inline void AddValues(Query* queries, const uint16_t* values, int32_t dim, int32_t lanes,
                      const float (*weights)[kPageTokens], const float* correction) {
  for (int32_t d = 0; d < dim; d += 16) {
    const auto mask = static_cast<__mmask16>(dim - d >= 16 ? 0xFFFF : (1U << (dim - d)) - 1U);
    __m512 out[N];
    for (int i = 0; i < N; ++i) {
      out[i] = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, queries[i].out + d),
                             _mm512_set1_ps(correction[i]));
    }
    for (int32_t lane = 0; lane < lanes; ++lane) {
      const __m512 v = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, values + lane * dim + d));
#pragma GCC unroll 6
      for (int i = 0; i < N; ++i)
        out[i] = _mm512_fmadd_ps(_mm512_set1_ps(weights[i][lane]), v, out[i]);
    }
    for (int i = 0; i < N; ++i) _mm512_mask_storeu_ps(queries[i].out + d, mask, out[i]);
  }
}

template <int N>
void RunBlock(Query* queries, const KvBlockView<uint16_t>& view, const uint32_t* visible,
              int32_t dim) {
  __m512 scores[N];
  float weights[N][kPageTokens];
  float correction[N];
  const float scale = 1.0F / std::sqrt(static_cast<float>(dim));
  Scores<N>(queries, view.keys, dim, scores);
  uint32_t any = 0;
  for (int i = 0; i < N; ++i) {
    correction[i] =
        Fold(&queries[i], scores[i], static_cast<__mmask16>(visible[i]), scale, weights[i]);
    any |= visible[i];
  }
  AddValues<N>(queries, view.values, dim, LaneCount(any), weights, correction);
}

void RunBlockFor(int count, Query* queries, const KvBlockView<uint16_t>& view,
                 const uint32_t* visible, int32_t dim) {
  switch (count) {
    case 6:
      return RunBlock<6>(queries, view, visible, dim);
    case 5:
      return RunBlock<5>(queries, view, visible, dim);
    case 4:
      return RunBlock<4>(queries, view, visible, dim);
    case 3:
      return RunBlock<3>(queries, view, visible, dim);
    case 2:
      return RunBlock<2>(queries, view, visible, dim);
    default:
      return RunBlock<1>(queries, view, visible, dim);
  }
}

// Runs `count` queries, ascending in position, over all blocks of their row.
void RunQueries(const AttentionArgs& args, const AttentionItem& item, Query* queries, int count,
                KvScratch<uint16_t>* scratch) {
  const AttentionRow& row = args.rows[item.row];
  const int32_t dim = args.shape.head_dim;
  for (int i = 0; i < count; ++i) {
    queries[i].max = -std::numeric_limits<float>::infinity();
    queries[i].sum = 0.0F;
    std::memset(queries[i].out, 0, static_cast<size_t>(dim) * sizeof(float));
  }
  for (int32_t b = 0; b < row.block_count; ++b) {
    const KvBlock& block = args.blocks[row.block_begin + b];
    if (block.first_pos > queries[count - 1].position) break;
    if (IsPassed(block, queries[0].position, args.window)) continue;
    const KvBlockView<uint16_t> view = ViewKvBlock<uint16_t>(block, args, item.kv_head, scratch);
    uint32_t visible[kQueriesAtOnce];
    for (int i = 0; i < count; ++i)
      visible[i] = VisibleLanes(view.lanes, block.first_pos, queries[i].position, args.window);
    // Neighbours that see some of the block run together: before them are those whose positions lie
    // before the block, behind them those whose windows have left it.
    for (int first = 0; first < count;) {
      int end = first;
      while (end < count && visible[end] != 0) ++end;
      if (end > first) RunBlockFor(end - first, queries + first, view, visible + first, dim);
      first = end + 1;
    }
  }
  for (int i = 0; i < count; ++i) {
    const __m512 inverse = _mm512_set1_ps(queries[i].sum > 0.0F ? 1.0F / queries[i].sum : 0.0F);
    for (int32_t d = 0; d < dim; d += 16) {
      const auto mask = static_cast<__mmask16>(dim - d >= 16 ? 0xFFFF : (1U << (dim - d)) - 1U);
      _mm512_mask_storeu_ps(
          queries[i].out + d, mask,
          _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, queries[i].out + d), inverse));
    }
  }
}

void RunItem(const AttentionArgs& args, const AttentionItem& item) {
  const AttentionRow& row = args.rows[item.row];
  const int32_t dim = args.shape.head_dim;
  const int32_t group = args.heads / args.shape.kv_heads;
  KvScratch<uint16_t> scratch;
  Query queries[kQueriesAtOnce];
  int count = 0;
  // Token by token, so that positions ascend among the queries that run together.
  for (int32_t t = 0; t < item.token_count; ++t) {
    const int64_t token = row.token_begin + item.token_begin + t;
    for (int32_t head = item.kv_head * group; head < (item.kv_head + 1) * group; ++head) {
      queries[count++] = {args.q + token * args.q_stride + static_cast<int64_t>(head) * dim,
                          args.out + (token * args.heads + head) * dim, args.position[token], 0.0F,
                          0.0F};
      if (count == kQueriesAtOnce) {
        RunQueries(args, item, queries, count, &scratch);
        count = 0;
      }
    }
  }
  if (count > 0) RunQueries(args, item, queries, count, &scratch);
}

}  // namespace

void PagedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  for (int32_t i = item_begin; i < item_end; ++i) RunItem(*args, args->items[i]);
}

}  // namespace fairlane::avx512vnni
