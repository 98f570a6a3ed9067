// Writes K and V into int8 pages, each token and head with its own scale, so that nothing but the
// token decides what is stored. Plain loops: the plug-ins compile them with their own flags, and
// all of them store the same bits.
#include <algorithm>
#include <bit>

#include "cpu/generic/ops.h"
#include "cpu/kv_page.h"
#include "ops/half.h"

namespace fairlane::generic {
namespace {

constexpr float kLevels = 127.0F;
// Below it all levels are 0: 127 / amax would leave the range of floats.
constexpr float kSmallestMax = 1e-30F;
// 1.5 * 2^23: added and taken away, it rounds to the nearest whole number, ties to even.
constexpr float kRounder = 12582912.0F;

// The largest magnitude of x[0 .. dim), limited to that of f16, as f16 pages limit it. The bits of
// floats without sign are ordered as the floats are, with NaN above all.
float MaxMagnitude(const float* x, int32_t dim) {
  int32_t max = 0;
  for (int32_t i = 0; i < dim; ++i) max = std::max(max, std::bit_cast<int32_t>(x[i]) & 0x7FFFFFFF);
  return std::bit_cast<float>(std::min(max, std::bit_cast<int32_t>(kHalfMax)));
}

// Returns the scale; levels[i * stride] are the int8.
float Quantize(const float* x, int32_t dim, int8_t* levels, int32_t stride) {
  const float max = MaxMagnitude(x, dim);
  const float inverse = max < kSmallestMax ? 0.0F : kLevels / max;
  for (int32_t i = 0; i < dim; ++i) {
    float scaled = x[i] * inverse;
    scaled = scaled < kLevels ? scaled : kLevels;  // NaN goes here
    scaled = scaled > -kLevels ? scaled : -kLevels;
    levels[i * stride] = static_cast<int8_t>(static_cast<int32_t>((scaled + kRounder) - kRounder));
  }
  return max < kSmallestMax ? 0.0F : max / kLevels;
}

}  // namespace

void AppendKvInt8(const AppendKvArgs* args, int32_t token_begin, int32_t token_end) {
  const KvShape& shape = args->shape;
  const int32_t dim = shape.head_dim;
  for (int32_t token = token_begin; token < token_end; ++token) {
    const int32_t lane = args->page_offset[token];
    uint8_t* page = args->page[token];
    for (int32_t head = 0; head < shape.kv_heads; ++head) {
      const int64_t at = token * args->stride + static_cast<int64_t>(head) * dim;
      auto* keys = reinterpret_cast<int8_t*>(KeysOf(page, shape, args->layer, head));
      auto* values = reinterpret_cast<int8_t*>(ValuesOf(page, shape, args->layer, head));
      KeyScalesOf(page, shape, args->layer, head)[lane] =
          Quantize(args->k + at, dim, keys + lane, kPageTokens);
      ValueScalesOf(page, shape, args->layer, head)[lane] =
          Quantize(args->v + at, dim, values + lane * dim, 1);
    }
  }
}

}  // namespace fairlane::generic
