// Owns how an adapter lies in pages: the split of its matrices in tiles (ops/lora.h), the order in
// which tiles fill pages, and the table of a packed adapter that says where each tile is. Packing
// (adapter_pack.h) writes by it, adapter_slots.h reads by it. Invariant: a tile never crosses a
// page, starts at a multiple of kTileAlignBytes, and its shape follows from the model, the tile
// type and the page size alone.
#pragma once

#include <cstdint>
#include <string>

#include "core/manifest.h"
#include "ops/lora.h"

namespace fairlane {

enum LoraModule : int32_t {
  kLoraQ = 0,
  kLoraK = 1,
  kLoraV = 2,
  kLoraO = 3,
  kLoraGate = 4,
  kLoraUp = 5,
  kLoraDown = 6,
};
inline constexpr int32_t kLoraModules = 7;
inline constexpr const char* kLoraModuleNames[kLoraModules] = {"q",    "k",  "v",   "o",
                                                               "gate", "up", "down"};

// All that the shape of tiles depends on.
struct AdapterGeometry {
  ModelParams params;
  TileType type = kTileF16;
  size_t page_bytes = 0;
};

int32_t InputWidth(const ModelParams& params, LoraModule module);
int32_t OutputWidth(const ModelParams& params, LoraModule module);

// Features of every tile of a row of `features` but the last: nearly equal blocks of at most
// kTileFeatures, fewer where a page is smaller. 0 if a page cannot hold a tile at all.
int32_t BlockFeatures(const AdapterGeometry& geometry, int32_t features);

inline int32_t RankBlocks(int32_t rank) { return (rank + kTileRanks - 1) / kTileRanks; }

// The table of a packed adapter, in int32 words: a header, kModuleWords for each module in
// ascending order of (layer, module), then two words for each tile, page index within the adapter
// and byte offset. A module's tiles: A's [rank block][block of inputs], then B's [rank block][block
// of outputs].
inline constexpr int32_t kAdapterTableVersion = 1;
enum AdapterTableHeader : int32_t {
  kTableVersion = 0,
  kTableTileType = 1,
  kTablePageBytes = 2,
  kTablePages = 3,
  kTableModules = 4,
  kTableTiles = 5,
};
inline constexpr int32_t kTableHeaderWords = 8;
enum AdapterTableModule : int32_t {
  kModuleLayer = 0,
  kModuleKind = 1,
  kModuleRank = 2,
  kModuleScaling = 3,  // the bits of a float
  kModuleFirstTile = 4,
};
inline constexpr int32_t kModuleWords = 5;
inline constexpr int32_t kTileWords = 2;

// Places tiles one after another, in the next page where one does not fit any more.
class TilePlacer {
 public:
  explicit TilePlacer(size_t page_bytes) : page_bytes_(page_bytes) {}

  struct Place {
    int32_t page;
    int32_t offset;
  };
  Place Next(size_t tile_bytes) {
    if (offset_ + tile_bytes > page_bytes_) {
      ++page_;
      offset_ = 0;
    }
    const Place place = {page_, static_cast<int32_t>(offset_)};
    offset_ += tile_bytes;
    return place;
  }
  int32_t page_count() const { return offset_ > 0 ? page_ + 1 : page_; }

 private:
  size_t page_bytes_;
  int32_t page_ = 0;
  size_t offset_ = 0;
};

// Layout version, tile type and page size in one printable word: packed adapters of another word
// are of no use here.
std::string AdapterLayoutName(const AdapterGeometry& geometry);

}  // namespace fairlane
