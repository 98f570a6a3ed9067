// See kv_groups.h.
#include "core/kv_groups.h"

namespace fairlane {

void KvGroups::Open(const ModelParams& params, KvType type) {
  groups_.clear();
  layers_.clear();
  for (int32_t i = 0; i < params.layers; ++i) {
    const bool is_windowed = params.window > 0 && i >= params.window_first_layer;
    const int32_t window = is_windowed ? params.window : 0;
    // Windowed layers follow each other, so only the last group can be the layer's.
    if (groups_.empty() || groups_.back().window != window)
      groups_.push_back({{type, 0, params.kv_heads, params.head_dim}, window});
    layers_.push_back({count() - 1, groups_.back().shape.layers++});
  }
}

}  // namespace fairlane
