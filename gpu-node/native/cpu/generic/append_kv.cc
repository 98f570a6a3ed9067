// Writes K and V into f16 and f32 pages in plain C++; f16 by bit arithmetic.
#include "cpu/generic/ops.h"
#include "cpu/kv_page.h"
#include "ops/half.h"

namespace fairlane::generic {
namespace {

template <typename Element>
Element Convert(float value);
template <>
float Convert<float>(float value) {
  return value;
}
template <>
uint16_t Convert<uint16_t>(float value) {
  return FloatToHalf(value);
}

template <typename Element>
void AppendToken(const AppendKvArgs& args, int32_t token) {
  const int32_t dim = args.shape.head_dim;
  const int32_t lane = args.page_offset[token];
  for (int32_t head = 0; head < args.shape.kv_heads; ++head) {
    const float* k = args.k + token * args.stride + static_cast<int64_t>(head) * dim;
    const float* v = args.v + token * args.stride + static_cast<int64_t>(head) * dim;
    auto* keys = reinterpret_cast<Element*>(KeysOf(args.page[token], args.shape, args.layer, head));
    auto* values =
        reinterpret_cast<Element*>(ValuesOf(args.page[token], args.shape, args.layer, head));
    for (int32_t d = 0; d < dim; ++d) keys[d * kPageTokens + lane] = Convert<Element>(k[d]);
    for (int32_t d = 0; d < dim; ++d) values[lane * dim + d] = Convert<Element>(v[d]);
  }
}

}  // namespace

size_t PageBytes(const KvShape* shape) { return KvPageBytes(*shape); }

void AppendKv(const AppendKvArgs* args, int32_t token_begin, int32_t token_end) {
  if (args->shape.type == kKvInt8) return AppendKvInt8(args, token_begin, token_end);
  for (int32_t token = token_begin; token < token_end; ++token) {
    if (args->shape.type == kKvF16) {
      AppendToken<uint16_t>(*args, token);
    } else {
      AppendToken<float>(*args, token);
    }
  }
}

}  // namespace fairlane::generic
