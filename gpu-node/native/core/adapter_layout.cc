// See adapter_layout.h.
#include "core/adapter_layout.h"

#include <algorithm>

namespace fairlane {
namespace {

// Features of the widest tile that a page can hold, a multiple of kTileChunk.
int32_t WidestTile(const AdapterGeometry& geometry) {
  const size_t chunk = TileBytes(kTileF16, kTileChunk);
  const size_t per_chunk = geometry.type == kTileF16 ? chunk : chunk / sizeof(uint16_t);
  const size_t fixed = TileBytes(geometry.type, 0);
  if (geometry.page_bytes < fixed + per_chunk) return 0;
  const size_t chunks = (geometry.page_bytes - fixed) / per_chunk;
  return static_cast<int32_t>(std::min<size_t>(chunks, kTileFeatures / kTileChunk)) * kTileChunk;
}

}  // namespace

int32_t InputWidth(const ModelParams& params, LoraModule module) {
  if (module == kLoraO) return params.heads * params.head_dim;
  return module == kLoraDown ? params.ffn : params.hidden;
}

int32_t OutputWidth(const ModelParams& params, LoraModule module) {
  switch (module) {
    case kLoraQ:
      return params.heads * params.head_dim;
    case kLoraK:
    case kLoraV:
      return params.kv_heads * params.head_dim;
    case kLoraGate:
    case kLoraUp:
      return params.ffn;
    case kLoraO:
    case kLoraDown:
      return params.hidden;
  }
  return 0;
}

int32_t BlockFeatures(const AdapterGeometry& geometry, int32_t features) {
  const int32_t widest = WidestTile(geometry);
  if (widest == 0) return 0;
  const int32_t blocks = (features + widest - 1) / widest;
  const int32_t each = (features + blocks - 1) / blocks;
  return (each + kTileChunk - 1) / kTileChunk * kTileChunk;
}

std::string AdapterLayoutName(const AdapterGeometry& geometry) {
  return std::string("tiles-") + std::to_string(kAdapterTableVersion) +
         (geometry.type == kTileF16 ? "-f16-" : "-int8-") + std::to_string(geometry.page_bytes);
}

}  // namespace fairlane
