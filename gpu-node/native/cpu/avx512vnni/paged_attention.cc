// Paged attention in f32, 16 lanes at a time.
#include "cpu/attention_items.h"
#include "cpu/avx512vnni/lanes.h"
#include "cpu/avx512vnni/ops.h"

namespace fairlane::avx512vnni {
void PagedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end) {
  RunAttentionItems<F32>(*args, item_begin, item_end);
}

}  // namespace fairlane::avx512vnni
