// Paged attention without ISA extensions, one query at a time: scores of a block, running maximum,
// weighted sum.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/generic/ops.h"
#include "cpu/kv_block.h"
#include "ops/half.h"

namespace fairlane::generic {
namespace {

inline float ToFloat(float value) { return value; }
inline float ToFloat(int8_t value) { return value; }
// Stored halves are finite, so the branch for infinity in HalfToFloat is not needed and the loop
// vectorises.
inline float ToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const float scaled = std::bit_cast<float>(static_cast<uint32_t>(half & 0x7FFFU) << 13) *
                       std::bit_cast<float>(0x77800000U);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | sign);
}

struct Running {
  float max = -std::numeric_limits<float>::infinity();
  float sum = 0.0F;
};

template <typename Element>
void Scores(const KvBlockView<Element>& view, const float* q, int32_t dim, float* scores) {
  for (int32_t lane = 0; lane < kPageTokens; ++lane) scores[lane] = 0.0F;
  for (int32_t d = 0; d < dim; ++d) {
    const Element* keys = view.keys + d * kPageTokens;
    for (int32_t lane = 0; lane < kPageTokens; ++lane) scores[lane] += q[d] * ToFloat(keys[lane]);
  }
  if constexpr (kHasScales<Element>) {
    for (int32_t lane = 0; lane < kPageTokens; ++lane) scores[lane] *= view.key_scales[lane];
  }
}

// Folds one block into the running softmax and the weighted sum of values.
template <typename Element>
void FoldBlock(const KvBlockView<Element>& view, uint32_t visible, const float* q,
               const KvShape& shape, Running* running, float* out) {
  const int32_t dim = shape.head_dim;
  float scores[kPageTokens];
  Scores(view, q, dim, scores);
  const float scale = 1.0F / std::sqrt(static_cast<float>(dim));
  float max = running->max;
  for (int32_t lane = 0; lane < kPageTokens; ++lane) {
    scores[lane] *= scale;
    if ((visible >> lane & 1U) != 0 && scores[lane] > max) max = scores[lane];
  }
  const float correction = std::exp(running->max - max);
  running->max = max;
  running->sum *= correction;
  for (int32_t d = 0; d < dim; ++d) out[d] *= correction;
  for (int32_t lane = 0; lane < kPageTokens; ++lane) {
    if ((visible >> lane & 1U) == 0) continue;
    float weight = std::exp(scores[lane] - max);
    running->sum += weight;
    if constexpr (kHasScales<Element>) weight *= view.value_scales[lane];
    const Element* values = view.values + lane * dim;
    for (int32_t d = 0; d < dim; ++d) out[d] += weight * ToFloat(values[d]);
  }
}

// One query of a token of `row`, whose first `shared` blocks are read from `first`.
struct QueryPlace {
  const AttentionRow& row;
  const AttentionRow& first;
  int32_t shared;
  int64_t token;
  int32_t head;
};

template <typename Element>
void RunQuery(const AttentionArgs& args, const QueryPlace& place, int32_t kv_head) {
  const int32_t dim = args.shape.head_dim;
  const int32_t position = args.position[place.token];
  const float* q = args.q + place.token * args.q_stride + static_cast<int64_t>(place.head) * dim;
  float* out = args.out + (place.token * args.heads + place.head) * dim;
  for (int32_t d = 0; d < dim; ++d) out[d] = 0.0F;
  KvScratch<Element> scratch;
  Running running;
  for (int32_t b = 0; b < place.row.block_count; ++b) {
    const AttentionRow& lister = b < place.shared ? place.first : place.row;
    const KvBlock& block = args.blocks[lister.block_begin + b];
    if (block.first_pos > position) break;
    if (IsPassed(block, position, args.window)) continue;
    const auto view = ViewKvBlock<Element>(block, args, kv_head, &scratch);
    const uint32_t visible = VisibleLanes(view.lanes, block.first_pos, position, args.window);
    if (visible != 0) FoldBlock(view, visible, q, args.shape, &running, out);
  }
  const float inverse = running.sum > 0.0F ? 1.0F / running.sum : 0.0F;
  for (int32_t d = 0; d < dim; ++d) out[d] *= inverse;
}

template <typename Element>
void RunItem(const AttentionArgs& args, const AttentionItem& item) {
  const AttentionRow* const rows = args.rows + item.row;
  int32_t shared = rows[0].block_count;
  for (int32_t r = 1; r < item.row_count; ++r) shared = std::min(shared, rows[r].shared_blocks);
  const int32_t group = args.heads / args.shape.kv_heads;
  for (int32_t t = 0; t < item.token_count; ++t) {
    const AttentionRow& row = item.row_count > 1 ? rows[t] : rows[0];
    const int64_t token = rows[0].token_begin + item.token_begin + t;
    for (int32_t head = item.kv_head * group; head < (item.kv_head + 1) * group; ++head)
      RunQuery<Element>(args, {row, rows[0], shared, token, head}, item.kv_head);
  }
}

}  // namespace

void PagedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  for (int32_t i = item_begin; i < item_end; ++i) {
    if (args->shape.type == kKvF16) {
      RunItem<uint16_t>(*args, args->items[i]);
    } else if (args->shape.type == kKvInt8) {
      RunItem<int8_t>(*args, args->items[i]);
    } else {
      RunItem<float>(*args, args->items[i]);
    }
  }
}

}  // namespace fairlane::generic
