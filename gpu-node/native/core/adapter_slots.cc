// See adapter_slots.h.
#include "core/adapter_slots.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>

#include "core/limits.h"

namespace fairlane {

bool AdapterSlots::Open(const AdapterGeometry& geometry, const PagePool* pages, int32_t slot_count,
                        std::string* error) {
  geometry_ = geometry;
  pages_ = pages;
  if (slot_count < 0 || slot_count > kMaxAdapterSlots) {
    *error = "adapterSlots is " + std::to_string(slot_count) + ", outside 0 .. " +
             std::to_string(kMaxAdapterSlots);
    return false;
  }
  slots_.resize(static_cast<size_t>(slot_count));
  return true;
}

bool AdapterSlots::CheckHeader(const AdapterPlaces& places, std::string* error) const {
  const auto fail = [&](const char* problem) {
    *error = std::string("the adapter's table is not sound: ") + problem;
    return false;
  };
  if (places.words < kTableHeaderWords) return fail("it has no header");
  const int32_t* header = places.table;
  const bool same_layout = header[kTableVersion] == kAdapterTableVersion &&
                           header[kTableTileType] == geometry_.type &&
                           static_cast<size_t>(header[kTablePageBytes]) == geometry_.page_bytes;
  if (!same_layout) return fail("it is of another layout, tile type or page size");
  if (header[kTablePages] != places.page_count) return fail("it needs another number of pages");
  const int32_t modules = header[kTableModules];
  const int32_t tiles = header[kTableTiles];
  const bool fits = modules >= 1 && modules <= geometry_.params.layers * kLoraModules &&
                    tiles >= 1 && tiles <= kMaxAdapterTiles &&
                    places.words == kTableHeaderWords + modules * kModuleWords + tiles * kTileWords;
  if (!fits) return fail("its counts do not fit its length");
  for (int32_t i = 0; i < places.page_count; ++i) {
    if (places.pages[i] < 0 || places.pages[i] >= pages_->page_count())
      return fail("a page does not exist");
  }
  return true;
}

bool AdapterSlots::ReadMatrix(const AdapterPlaces& places, int32_t* next_tile, LoraMatrix* matrix,
                              Adapter* adapter) const {
  const int32_t* header = places.table;
  const int32_t* tiles =
      header + kTableHeaderWords + header[kTableModules] * kModuleWords + *next_tile * kTileWords;
  matrix->type = geometry_.type;
  matrix->block_features = BlockFeatures(geometry_, matrix->features);
  if (matrix->block_features == 0) return false;
  const int32_t blocks = FeatureBlocks(*matrix);
  const int32_t count = matrix->rank_blocks * blocks;
  if (count > header[kTableTiles] - *next_tile) return false;
  // Room for all tiles was reserved, so pointers into it stay.
  matrix->tiles = adapter->tiles_.data() + adapter->tiles_.size();
  for (int32_t i = 0; i < count; ++i, tiles += kTileWords) {
    const int32_t begin = i % blocks * matrix->block_features;
    const int32_t features = std::min(matrix->block_features, matrix->features - begin);
    const size_t bytes = TileBytes(geometry_.type, features);
    const bool sound = tiles[0] >= 0 && tiles[0] < places.page_count && tiles[1] >= 0 &&
                       static_cast<size_t>(tiles[1]) % kTileAlignBytes == 0 &&
                       static_cast<size_t>(tiles[1]) + bytes <= geometry_.page_bytes;
    if (!sound) return false;
    adapter->tiles_.push_back(pages_->DataOf(places.pages[tiles[0]]) + tiles[1]);
  }
  *next_tile += count;
  return true;
}

bool AdapterSlots::ReadModule(const AdapterPlaces& places, const int32_t* module,
                              int32_t* next_tile, Adapter* adapter) const {
  const int32_t layer = module[kModuleLayer];
  const int32_t kind = module[kModuleKind];
  const int32_t rank = module[kModuleRank];
  const auto scaling = std::bit_cast<float>(module[kModuleScaling]);
  const bool sound = layer >= 0 && layer < geometry_.params.layers && kind >= 0 &&
                     kind < kLoraModules && rank >= 1 && rank <= kLoraRankMax &&
                     std::isfinite(scaling) && module[kModuleFirstTile] == *next_tile;
  if (!sound) return false;
  int32_t& index = adapter->index_[static_cast<size_t>(layer * kLoraModules + kind)];
  if (index >= 0) return false;  // there twice
  index = static_cast<int32_t>(adapter->modules_.size());
  AdapterModule made = {};
  made.scaling = scaling;
  made.a.rank_blocks = made.b.rank_blocks = RankBlocks(rank);
  made.a.features = InputWidth(geometry_.params, static_cast<LoraModule>(kind));
  made.b.features = OutputWidth(geometry_.params, static_cast<LoraModule>(kind));
  if (!ReadMatrix(places, next_tile, &made.a, adapter) ||
      !ReadMatrix(places, next_tile, &made.b, adapter)) {
    return false;
  }
  adapter->modules_.push_back(made);
  return true;
}

bool AdapterSlots::Set(int32_t slot, const AdapterPlaces& places, std::string* error) {
  if (slot < 0 || slot >= slot_count()) {
    *error = "adapter slot " + std::to_string(slot) + " is outside 0 .. " +
             std::to_string(slot_count() - 1);
    return false;
  }
  if (Find(slot) != nullptr) {
    *error = "adapter slot " + std::to_string(slot) + " is set: clear it first";
    return false;
  }
  if (!CheckHeader(places, error)) return false;
  try {
    Adapter adapter;
    adapter.index_.assign(static_cast<size_t>(geometry_.params.layers) * kLoraModules, -1);
    adapter.modules_.reserve(static_cast<size_t>(places.table[kTableModules]));
    adapter.tiles_.reserve(static_cast<size_t>(places.table[kTableTiles]));
    int32_t next_tile = 0;
    for (int32_t i = 0; i < places.table[kTableModules]; ++i) {
      const int32_t* module = places.table + kTableHeaderWords + i * kModuleWords;
      if (ReadModule(places, module, &next_tile, &adapter)) continue;
      *error = "the adapter's table is not sound: module " + std::to_string(i);
      return false;
    }
    // Moving keeps what the matrices point to.
    slots_[static_cast<size_t>(slot)] = std::move(adapter);
    return true;
  } catch (const std::bad_alloc&) {
    *error = "no memory for the table of an adapter";
    return false;
  }
}

bool AdapterSlots::Clear(int32_t slot) {
  if (slot < 0 || slot >= slot_count()) return false;
  slots_[static_cast<size_t>(slot)] = Adapter();
  return true;
}

}  // namespace fairlane
