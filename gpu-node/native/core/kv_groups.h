// Owns which layers of a model keep their K and V in which pages: a KV group is the layers with the
// same window, heads and head size, and a page holds 16 tokens of one group. Invariant: every layer
// is in one group, and layers of a group are numbered in it from 0 in their order.
#pragma once

#include <cstdint>
#include <vector>

#include "core/manifest.h"
#include "ops/append_kv.h"

namespace fairlane {

struct KvGroup {
  KvShape shape;   // `layers` are the group's
  int32_t window;  // positions that a query sees, its own included; 0: all
};

// Where a layer's K and V lie.
struct KvLayer {
  int32_t group;
  int32_t index;  // among the layers of the group
};

class KvGroups {
 public:
  void Open(const ModelParams& params, KvType type);

  int32_t count() const { return static_cast<int32_t>(groups_.size()); }
  const KvGroup& group(int32_t index) const { return groups_[static_cast<size_t>(index)]; }
  const KvLayer& layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }

 private:
  std::vector<KvGroup> groups_;
  std::vector<KvLayer> layers_;
};

}  // namespace fairlane
